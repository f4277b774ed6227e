"""`agentbatch shell`: a person's own shell in the place of a task, in a real terminal and in a script."""

import asyncio
import json
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from tests.e2e.tmux_terminal import Terminal, needs_tmux
from tests.support import commands
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE, until
from tests.tasks.run.verdicts import COMPLETE
from tests.workspace.repositories import git, make_repository

pytestmark = [pytest.mark.slow, needs_tmux]


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])


FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
SCRIPT = Script(
    prompt="Task.",
    coder=[bash("sleep 2"), bash("cat note.txt > a.txt"), FINISH],
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
        await until(lambda: server.requests, engine.complaints())
        terminal = Terminal(folder, "shell t --pause", 80, 24)
        try:
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


def use(terminal: Terminal) -> None:
    terminal.until("(t) ")
    terminal.press("echo $COLOUR-$(stty size)-[$OPENAI_API_KEY]; echo mine > note.txt", "Enter")
    terminal.until("blue-24 80-[]")
    terminal.press("sleep 471", "Enter")
    terminal.press("C-z")
    terminal.until("Stopped")
    terminal.press("fg", "Enter")
    terminal.until("\nsleep 471")
    terminal.press("C-c")
    terminal.resize(100, 30)
    terminal.press("echo $?-$(stty size)-$(git log --oneline | wc -l)", "Enter")
    terminal.until("130-30 100-1")
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
