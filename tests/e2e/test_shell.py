"""`agentbatch shell`: a person's own shell in the place of a task, in a real terminal and in a script."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs.listing import find_run
from agentbatch.runs.store.database import read_state
from tests.e2e.tmux_terminal import Terminal, needs_tmux
from tests.support import commands
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE, until, wait_until
from tests.tasks.run.verdicts import COMPLETE
from tests.workspace.repositories import git, make_repository

pytestmark = [pytest.mark.slow, needs_tmux]


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])


FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(
    prompt="Task.",
    coder=[
        bash("touch begun; until [ -e go ]; do sleep 0.05; done"),
        bash("cat note.txt > a.txt"),
        FINISH,
    ],
    evaluator=[Say(verdict=COMPLETE)],
)


def project(folder: Path, url: str, isolation: str) -> None:
    make_repository(folder / "w", {"README": "here\n", ".gitignore": ".env*\n"})
    task = {
        "id": "t", "dir": "w", "first_prompt": "Task.", "verify": "grep mine a.txt", "isolation": isolation,
        "env": {"COLOUR": "blue"},
    }  # fmt: skip
    (folder / "task.json").write_text(json.dumps({"tasks": [task]}))
    (folder / ".env").write_text(
        f"OPENAI_API_KEY={KEY}\nOPENAI_BASE_URL={url}\nCODER_MODEL=rehearsal-coder\n"
        "EVALUATION_MODEL=rehearsal-evaluator\n"
    )


@pytest.mark.parametrize("isolation", ["none", "worktree"])
async def test_in_a_terminal_while_the_task_is_paused(
    tmp_path: Path, environ: dict[str, str], isolation: str
) -> None:
    folder = tmp_path / "batch"
    folder.mkdir()
    async with RehearsalServer([SCRIPT], key=KEY) as server:
        project(folder, server.base_url, isolation)
        engine = commands.start("--parallel", "--display", "plain", cwd=folder, env=environ)
        await until(lambda: list(folder.rglob("begun")), engine.complaints())
        (begun,) = folder.rglob("begun")
        terminal = Terminal(folder, "shell t --pause", 80, 24)
        try:
            await until(lambda: read_state(find_run(folder, None).database).tasks["t"].paused)
            begun.with_name("go").touch()
            await asyncio.to_thread(use, terminal)
        finally:
            terminal.close()
        async with asyncio.timeout(PATIENCE):
            assert await engine.wait() == 0, engine.said()
    before, after = ((tmp_path / name).read_text().splitlines()[1:] for name in ("before", "after"))
    assert before == after
    (told,) = folder.glob(".agentbatch/runs/*/tasks/t/coder.traj.json")
    assert "files were changed there that you may know otherwise: note.txt" in told.read_text()
    if isolation == "worktree":
        (branch,) = git(folder / "w", "branch", "--list", "agentbatch/*", "--format=%(refname:short)").split()
        assert git(folder / "w", "show", f"{branch}:a.txt") == "mine"


SLEEP = f"sleep 471{os.getpid()}"
"""Told from what other tests start."""


def states(command: str) -> set[str]:
    """Of the processes with this command line."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip() == command:
                found.add((place / "stat").read_text().rpartition(")")[2].split()[0])
        except (OSError, ValueError):
            continue
    return found


def use(terminal: Terminal) -> None:
    terminal.until("(t) ")
    terminal.press("echo $COLOUR-$(stty size)-[$OPENAI_API_KEY]; echo mine > note.txt", "Enter")
    terminal.until("blue-24 80-[]")
    terminal.press(SLEEP, "Enter")
    # A key that stops or ends it must not come before it has the terminal.
    wait_until(lambda: states(SLEEP) == {"S"})
    terminal.press("C-z")
    terminal.until("Stopped")
    terminal.press("fg", "Enter")
    terminal.until(f"\n{SLEEP}")
    wait_until(lambda: states(SLEEP) == {"S"})
    terminal.press("C-c")
    terminal.press("echo $?-$(git log --oneline | wc -l)", "Enter")
    terminal.until("130-1")
    terminal.resize(100, 30)
    terminal.press('until [ "$(stty size)" = "30 100" ]; do sleep 0.1; done; echo as-$((1+1))', "Enter")
    terminal.until("as-2")
    terminal.press("exit 4", "Enter")
    screen = terminal.until("code 4")
    assert "agentbatch: changed: note.txt." in screen
    assert "agentbatch: Task t continues." in screen


async def test_in_a_script_after_an_interruption(tmp_path: Path, environ: dict[str, str]) -> None:
    folder, typed = tmp_path / "batch", tmp_path / "typed"
    folder.mkdir()
    typed.write_text("echo mine > note.txt\npwd\nexit 5\n")
    slow = SCRIPT.model_copy(update={"coder": [bash("touch begun; sleep 600"), *SCRIPT.coder[1:]]})
    async with RehearsalServer([slow], key=KEY) as server:
        project(folder, server.base_url, "copy")
        engine = commands.start("--parallel", "--display", "plain", cwd=folder, env=environ)
        await until(lambda: list(folder.glob(".agentbatch/runs/*/tasks/t/work/**/begun")))
        refused = commands.run("shell", "t", cwd=folder, env=environ)
        assert (refused.returncode, "is being worked on. Pause it first" in refused.stderr) == (2, True)
        engine.kill()
        await engine.wait()
        shell = commands.start("shell", "t", cwd=folder, env=environ, stdin=typed)
        assert (await shell.wait(), "/tasks/t/work/" in shell.said()) == (5, True), shell.complaints()
        typed.write_text("touch held; sleep 600\n")
        held = commands.start("shell", "t", cwd=folder, env=environ, stdin=typed)
        await until(lambda: list(folder.glob(".agentbatch/runs/*/tasks/t/work/**/held")))
        refusal = commands.run("resume", cwd=folder, env=environ)
        assert (refusal.returncode, "A shell is open in the place of task t" in refusal.stderr) == (2, True)
        held.kill()
        await held.wait()
        resumed = commands.start("resume", "--display", "plain", cwd=folder, env=environ)
        async with asyncio.timeout(PATIENCE):
            assert await resumed.wait() == 0, resumed.said()
    (told,) = folder.glob(".agentbatch/runs/*/tasks/t/coder.traj.json")
    assert "which files I changed there is not known" in told.read_text(), "its shell was killed"
