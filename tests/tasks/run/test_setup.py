"""Commands of a task's own before its coder begins, and after its work was judged."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.tasks.run.setup import failure
from agentbatch.workspace.workspace import CommandResult
from tests.tasks.run.verdicts import COMPLETE

WORK = Say(calls=[ScriptedCall(name="bash", arguments={"command": "cat made.txt > a.txt; cat a.txt"})])
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(prompt="Write it.", coder=[WORK, FINISH], evaluator=[Say(verdict=COMPLETE)])
TASK = {"id": "t", "dir": "w", "first_prompt": "Write it.", "verify": "grep made a.txt"}


def repository(folder: Path) -> Path:
    """With one commit, a task's directory in it."""
    (folder / "w").mkdir()
    (folder / "w/README").write_text("here\n")
    for line in (
        "init -q -b main",
        "add w",
        "-c user.name=a -c user.email=a@b commit -q -m start",
    ):
        subprocess.run(["git", *line.split()], cwd=folder, check=True)
    return folder


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


async def test_it_runs_before_the_coder_and_is_no_work_of_its(run_tasks: Any, tmp_path: Path) -> None:
    repository(tmp_path)
    task = {
        **TASK,
        "isolation": "worktree",
        "setup": ["echo made > made.txt", "mkdir -p node_modules/x && echo 1 > node_modules/x/i.js"],
    }
    ran = await run_tasks([task], [SCRIPT])
    assert (ran.task.status, ran.task.reason) == ("completed", "accepted"), ran.task.error
    assert [(one.kind, one.exit_code) for one in ran.task.setup] == [("setup", 0), ("setup", 0)]
    kinds = [type(one).__name__ for one in ran.events]
    assert kinds.index("SetUp") < kinds.index("IterationStarted")
    assert ran.task.changed_files == 1
    assert git(tmp_path, "diff", "--name-only", f"main..{ran.task.branch}") == "w/a.txt\n"


async def test_one_that_fails_is_a_reason_of_its_own(run_tasks: Any, tmp_path: Path) -> None:
    repository(tmp_path)
    setup = ["echo first", "echo npm error: no such package >&2; exit 3", "touch never"]
    ran = await run_tasks([{**TASK, "isolation": "worktree", "setup": setup}], [SCRIPT])
    assert (ran.task.status, ran.task.reason, ran.task.resumable) == ("error", "setup", False)
    assert "exited with 3: npm error: no such package" in ran.task.error
    assert ran.outcome.exit_code == 1
    assert not ran.coder_requests()
    (result,) = ran.results["results"]
    assert (result["result"]["reason"], result["result"]["setup"][1]["exit_code"]) == ("setup", 3)
    assert not ran.task.branch


async def test_what_is_torn_down_was_judged_and_its_failure_changes_no_status(run_tasks: Any) -> None:
    task = {
        **TASK,
        "setup": "echo made > made.txt",
        "teardown": ["grep -q made a.txt && exit 4", "rm made.txt"],
    }
    ran = await run_tasks([task], [SCRIPT])
    assert (ran.task.status, ran.outcome.exit_code) == ("completed", 0)
    assert [(one.kind, one.exit_code) for one in ran.task.setup] == [
        ("setup", 0), ("teardown", 4), ("teardown", 0),
    ]  # fmt: skip
    assert any("Its teardown failed: `grep -q made a.txt" in text for text in ran.outcome.state.notices)
    assert sorted(path.name for path in (ran.folder / "w").iterdir()) == ["a.txt"]


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (CommandResult(1, "", False, False, 1, ""), "Its setup failed: `npm ci` exited with 1."),
        (CommandResult(1, "", False, False, 1, ""), "Its setup failed: `npm ci` exited with 1: npm error."),
        (
            CommandResult(None, "", True, False, 1, ""),
            "Its setup failed: `npm ci` was not done within 9 seconds (setup_timeout).",
        ),
        (CommandResult(None, "", False, True, 1, ""), "Its setup failed: `npm ci` printed far too much."),
        (CommandResult(None, "", False, False, 1, ""), "Its setup failed: `npm ci` was killed."),
    ],
)
def test_how_it_failed_in_words(result: CommandResult, sentence: str) -> None:
    said = "npm error" if "error" in sentence else ""
    assert failure("setup", "npm ci", result, 9, said) == sentence
