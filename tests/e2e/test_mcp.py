"""A whole batch whose coder has the tools of a server inside its sandbox: killed in a call, and resumed."""

import asyncio
import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs.listing import find_run
from tests.support import commands
from tests.support.keys import KEY
from tests.support.mcp_servers import FAKE, tool
from tests.support.programs import standing_in
from tests.support.waiting import PATIENCE, until
from tests.tasks.run.verdicts import COMPLETE

pytestmark = pytest.mark.slow

TOOLS = ("echo", "once", "touch", "tick")
STILL = 'test -f touched && a="$(cat ticks)" && test -n "$a" && sleep 0.5 && test "$a" = "$(cat ticks)"'
"""The server's work is there, and changes no more while it is judged."""


def project(folder: Path) -> None:
    """The server lies in the task's directory: a sandbox shows little else."""
    (folder / "work").mkdir(parents=True)
    (folder / "work/server.py").write_text(FAKE.read_text())
    listing = json.dumps([tool(name) for name in TOOLS])
    server = {"command": ["python3", "-I", "-S", "server.py", listing], "required": True}
    task = {"id": "t", "dir": "work", "first_prompt": "Use it.", "verify": STILL, "mcp": {"fake": server}}
    (folder / "task.json").write_text(json.dumps({"tasks": [task]}))


def script() -> Script:
    calls = [ScriptedCall(name=f"mcp__fake__{name}", arguments={"a": 1}) for name in TOOLS]
    return Script(
        prompt="Use it.", coder=[Say(calls=[call]) for call in calls], evaluator=[Say(verdict=COMPLETE)]
    )


def stored(folder: Path, kind: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(find_run(folder, None).database)) as connection:
        rows = connection.execute("SELECT body FROM events WHERE type = ? ORDER BY seq", (kind,))
        return [json.loads(body) for (body,) in rows]


@pytest.mark.parametrize("sandbox", ["auto", "none"])
@pytest.mark.parametrize("mode", ["native", "text"])
async def test_killed_in_a_call_and_resumed(
    tmp_path: Path, environ: dict[str, str], sandbox: str, mode: str
) -> None:
    folder = tmp_path / "batch"
    project(folder)
    async with RehearsalServer([script()], key=KEY) as server:
        variables = {
            **environ,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": server.base_url,
            "CODER_MODEL": "rehearsal-coder",
            "EVALUATION_MODEL": "rehearsal-evaluator",
        }
        flags = ("--sandbox", sandbox, "--tool-mode", mode, "--display", "plain", "--checks", "0")
        engine = commands.start(*flags, cwd=folder, env=variables, output=tmp_path / "first.txt")
        await until(lambda: (folder / "work/hung").exists())
        os.kill(engine.pid, signal.SIGKILL)
        await engine.wait()
        await until(lambda: standing_in(folder) == [], "the server outlives the engine")
        resumed = commands.start(
            "--resume", *flags, cwd=folder, env=variables, output=tmp_path / "second.txt"
        )
        async with asyncio.timeout(PATIENCE):
            assert await resumed.wait() == 0, (tmp_path / "second.txt").read_text()
        await until(lambda: standing_in(folder) == [], "something outlives its run")
    (offered,) = stored(folder, "tools_offered")
    assert [one["called"] for one in offered["tools"]] == sorted(f"mcp__fake__{name}" for name in TOOLS)
    finished = [one["tool"] for one in stored(folder, "tool_finished")]
    again = ["mcp__fake__once"] if mode == "native" else []  # the model repeats what it sees was interrupted
    assert finished == ["mcp__fake__echo", *again, "mcp__fake__touch", "mcp__fake__tick", "finish"]
    coder = [one.body for one in server.requests if one.body["model"] == "rehearsal-coder"]
    assert len({json.dumps(body.get("tools")) for body in coder}) == 1, "the list of tools has changed"
    texts = [json.dumps(message) for message in coder[-1]["messages"]]
    assert [text for text in texts if "Interrupted: the outcome of this call is unknown." in text]
