"""Commands of a task's own before its coder begins, and after its work was judged."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.runs.store.history import TaskHistory
from agentbatch.tasks.run.beginning.setup import failure, is_set_up
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task
from agentbatch.workspace.workspace import CommandResult
from tests.support.programs import alive
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
        "teardown": "grep -q made a.txt && exit 4",
    }
    ran = await run_tasks([task], [SCRIPT])
    assert (ran.task.status, ran.task.reason) == ("completed", "accepted"), ran.task.error
    assert [(one.kind, one.exit_code) for one in ran.task.setup] == [
        ("setup", 0), ("setup", 0), ("teardown", 4),
    ]  # fmt: skip
    kinds = [type(one).__name__ for one in ran.events]
    assert kinds.index("SetUp") < kinds.index("IterationStarted")
    assert ran.task.changed_files == 1
    assert git(tmp_path, "diff", "--name-only", f"main..{ran.task.branch}") == "w/a.txt\n"


async def test_one_that_fails_is_a_reason_of_its_own(run_tasks: Any, tmp_path: Path) -> None:
    repository(tmp_path)
    setup = ["echo half > half.txt", "echo npm error: no such package >&2; exit 3", "touch never"]
    ran = await run_tasks([{**TASK, "isolation": "worktree", "setup": setup}], [SCRIPT])
    assert (ran.task.status, ran.task.reason, ran.task.resumable) == ("error", "setup", False)
    assert "Its setup exited with 3: npm error: no such package (echo npm" in ran.task.error
    assert ran.outcome.exit_code == 1
    assert not ran.coder_requests()
    (result,) = ran.results["results"]
    assert (result["result"]["reason"], result["result"]["setup"][1]["exit_code"]) == ("setup", 3)
    assert not ran.task.branch, "nobody has worked there"
    assert not list((ran.task_folder("t") / "work").glob("trees/*/*")), "and nothing stays"


@pytest.mark.slow
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
    assert any(
        "Task t: its teardown exited with 4 (grep -q made a.txt" in text for text in ran.outcome.state.notices
    )
    assert sorted(path.name for path in (ran.folder / "w").iterdir()) == ["a.txt"]


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (CommandResult(1, "", False, False, 1, ""), "Its setup exited with 1 (npm ci)."),
        (CommandResult(1, "", False, False, 1, ""), "Its setup exited with 1: npm error (npm ci)."),
        (
            CommandResult(None, "", True, False, 1, ""),
            "Its setup was not done within 9 s (setup_timeout) (npm ci).",
        ),
        (CommandResult(None, "", False, True, 1, ""), "Its setup printed far too much (npm ci)."),
        (CommandResult(None, "", False, False, 1, ""), "Its setup was killed (npm ci)."),
    ],
)
def test_how_it_failed_in_words(result: CommandResult, sentence: str) -> None:
    said = "npm error" if "error" in sentence else ""
    assert failure("setup", "npm ci", result, 9, said) == sentence


@pytest.mark.slow
async def test_each_attempt_has_its_own(run_tasks: Any) -> None:
    """Torn down when the best is chosen: the checks of all may need what runs there."""
    task = {
        **TASK, "attempts": 2, "stop_at": "all", "setup": "echo made > made.txt",
        "teardown": "grep made a.txt",
    }  # fmt: skip
    ran = await run_tasks([task], [SCRIPT])
    assert ran.task.status == "completed"
    order = [(one.type, one.task_id) for one in ran.events if getattr(one, "kind", "") == "teardown"]
    assert [task_id for kind, task_id in order if kind == "verify_finished"] == ["t@2", "t@1"]
    first = next(n for n, one in enumerate(ran.events) if getattr(one, "kind", "") == "teardown")
    assert sum(isinstance(one, e.AttemptChosen) for one in ran.events[:first]) == 1
    assert [one.setup[-1].exit_code for one in ran.outcome.state.attempts.values()] == [0, 0]
    assert sorted(path.name for path in (ran.folder / "w").iterdir()) == ["a.txt"]


@pytest.mark.parametrize(
    ("isolation", "events", "done"),
    [
        ("none", [e.TaskStarted(task_id="t"), e.SetUp(task_id="t")], True),
        ("copy", [e.SetUp(task_id="t")], False),
        ("worktree", [e.SetUp(task_id="t")], False),
        (
            "none",
            [e.CheckFinished(task_id="t", kind="setup", command="x", exit_code=0, tail="", seconds=1)],
            False,
        ),
    ],
)
def test_what_was_done_in_an_earlier_session(isolation: Any, events: Any, done: bool) -> None:
    task = Task(first_prompt="Write it.", setup=("x",))
    planned = PlannedTask("t", 0, task, Path("/w"), 10, None, isolation=isolation)
    assert is_set_up(planned, TaskHistory(events=events)) is done


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["copy", "worktree"])
async def test_what_is_included_is_seen_by_the_task_and_is_no_work_of_its(
    run_tasks: Any, tmp_path: Path, isolation: str
) -> None:
    repository(tmp_path)
    (tmp_path / "w/.env.test").write_text("made\n")
    (tmp_path / "w/.env.other").write_text("hidden\n")
    task = {
        **TASK, "isolation": isolation, "include": [".env.test", "gone.txt"],
        "setup": ["cat .env.test > made.txt", "test ! -s .env.other"],
    }  # fmt: skip
    ran = await run_tasks([task], [SCRIPT])
    assert (ran.task.status, ran.task.reason) == ("completed", "accepted"), ran.task.error
    assert ran.task.changed_files == 1
    told = [text for text in ran.outcome.state.notices if "include:" in text]
    source = tmp_path / "w"
    gone = f"Task t: include: gone.txt means no file in {source}."
    assert told == ([gone] if isolation == "worktree" else [])
    if isolation == "worktree":
        assert git(tmp_path, "diff", "--name-only", f"main..{ran.task.branch}") == "w/a.txt\n"


@pytest.mark.slow
async def test_what_setup_made_is_kept_for_others_and_no_coder_reaches_it(
    run_tasks: Any, tmp_path: Path
) -> None:
    repository(tmp_path)
    setup = "mkdir -p node_modules/x && echo made > node_modules/x/i.txt && echo made > made.txt"
    cache = {"key": ["README"], "paths": ["node_modules", "made.txt"]}
    spoils = "cat node_modules/x/i.txt made.txt > a.txt; echo evil | tee node_modules/x/i.txt > made.txt"
    work = Say(calls=[ScriptedCall(name="bash", arguments={"command": spoils})])
    script = Script(prompt="Write it.", coder=[work, FINISH], evaluator=[Say(verdict=COMPLETE)])
    tasks = [
        {**TASK, "id": name, "isolation": "worktree", "setup": setup, "setup_cache": cache,
         "verify": "test $(grep -c made a.txt) = 2"} for name in "abc"
    ]  # fmt: skip
    ran = await run_tasks(tasks, [script], parallel=3)
    assert ran.outcome.exit_code == 0, [one.error for one in ran.outcome.state.tasks.values()]
    assert sorted(one.kept for one in ran.of_type(e.SetUp)) == [False, True, True]
    assert sum(len(one.setup) for one in ran.outcome.state.tasks.values()) == 1, "it ran once"
    assert not [text for text in ran.outcome.state.notices if "setup" in text]
    (kept,) = (tmp_path / ".agentbatch/setup").glob("*/1")
    assert kept.read_text() == "made\n"
    again = await run_tasks(tasks[:1], [script])
    assert [one.kept for one in again.of_type(e.SetUp)] == [True], "in another run"


@pytest.mark.slow
async def test_a_setup_that_attacks(run_tasks: Any, tmp_path: Path) -> None:
    """It deletes git's own file, leaves links in the place of what is kept, a daemon, and a file for the next."""
    repository(tmp_path)
    (tmp_path / "w/.gitignore").write_text("node_modules\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x")
    sleep = f"sleep 49{os.getpid()}"
    setup = [
        "rm -rf ../.git; ln -s /etc node_modules; echo made > made.txt",
        f"(setsid {sleep} &); ln -s {tmp_path}/task.json made.link; mkfifo pipe",
    ]
    cache = {"key": "README", "paths": ["node_modules", "made.txt"]}
    task = {**TASK, "isolation": "worktree", "setup": setup, "setup_cache": cache}
    ran = await run_tasks([task], [SCRIPT])
    assert (ran.task.status, ran.task.error) == ("completed", "")
    assert alive(sleep.replace(" ", "\0")) == []
    assert any("What setup has made is not kept" in text for text in ran.outcome.state.notices)
    assert not list((tmp_path / ".agentbatch").glob("setup/*/0"))
    assert git(tmp_path, "diff", "--name-only", f"main..{ran.task.branch}") == "w/a.txt\n"
    assert git(tmp_path, "status", "--short", "w") == ""
