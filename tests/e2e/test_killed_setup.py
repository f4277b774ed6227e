"""kill -9 while a task is set up, while its coder works, and while it is torn down: nothing lives on, setup is done
again where it was not done to its end, and only there."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from tests.support import commands
from tests.support.keys import KEY
from tests.support.programs import wait_until_gone
from tests.support.waiting import PATIENCE, until
from tests.tasks.run.verdicts import COMPLETE

pytestmark = pytest.mark.slow

SLEEP = f"sleep 47{os.getpid()}"
"""Told from what other tests start."""
FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])


def once(folder: Path, here: bool) -> str:
    """Sleeps until it is killed, where it is to be here, and the first time."""
    begun = folder / "begun"
    return f"if [ ! -e {begun} ]; then touch {begun}; {SLEEP}; fi" if here else "true"


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def project(folder: Path, isolation: str, moment: str) -> None:
    (folder / "w").mkdir(parents=True)
    (folder / "w/README").write_text("here\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    made = "echo made >> made.txt; mkdir -p node_modules; touch node_modules/x"
    task = {
        "id": "t", "dir": "w", "first_prompt": "Task.", "verify": "grep made a.txt", "isolation": isolation,
        "setup": [made, once(folder, moment == "setup")],
        "teardown": [once(folder, moment == "teardown"), "rm made.txt"],
    }  # fmt: skip
    (folder / "task.json").write_text(json.dumps({"tasks": [task]}))


def ended(folder: Path) -> list[tuple[str, str, int | None]]:
    """Kind, command and exit code of what has ended."""
    (database,) = folder.glob(".agentbatch/runs/*/run.db")
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT body FROM events WHERE type = 'verify_finished' ORDER BY seq")
        found = [json.loads(body) for (body,) in rows]
    return [(one["kind"], one["command"], one["exit_code"]) for one in found]


@pytest.mark.parametrize("moment", ["setup", "coder", "teardown"])
@pytest.mark.parametrize("isolation", ["none", "copy", "worktree"])
async def test_killed_and_resumed(
    tmp_path: Path, environ: dict[str, str], isolation: str, moment: str
) -> None:
    folder = tmp_path / "batch"
    project(folder, isolation, moment)
    script = Script(
        prompt="Task.",
        coder=[bash("cat made.txt > a.txt"), bash(once(folder, moment == "coder")), FINISH],
        evaluator=[Say(verdict=COMPLETE)],
    )
    async with RehearsalServer([script], key=KEY) as server:
        variables = {
            **environ,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": server.base_url,
            "CODER_MODEL": "rehearsal-coder",
            "EVALUATION_MODEL": "rehearsal-evaluator",
        }
        flags = ("--sandbox", "none", "--display", "plain")
        engine = commands.start("--parallel", *flags, cwd=folder, env=variables)
        await until((folder / "begun").exists, engine.complaints())
        os.kill(engine.pid, signal.SIGKILL)
        await engine.wait()
        assert wait_until_gone(SLEEP.replace(" ", "\0")) == []
        resumed = commands.start("resume", *flags, cwd=folder, env=variables)
        async with asyncio.timeout(PATIENCE):
            assert await resumed.wait() == 0, resumed.said()
    done = Counter(kind for kind, _, code in ended(folder) if code == 0)
    # Where the second line of setup was killed, the first has ended twice; else both once.
    assert (done["setup"], done["teardown"]) == (3 if moment == "setup" else 2, 2)
    if isolation == "none":
        assert (folder / "w/a.txt").read_text() == ("made\nmade\n" if moment == "setup" else "made\n")
        assert not (folder / "w/made.txt").exists()
    if isolation == "worktree":
        (branch,) = git(folder, "branch", "--list", "agentbatch/*", "--format=%(refname:short)").split()
        assert git(folder, "show", f"{branch}:w/a.txt") == "made\n"
        assert git(folder, "diff", "--name-only", f"main..{branch}") == "w/a.txt\n"
        assert not branch.endswith("-2"), "what was half set up is on no branch"
