"""kill -9 while agents of somebody else's are at work: nothing of them lives on, each goes on in its session."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.rehearsal.streaming import Streaming
from agentbatch.runs.listing import find_run
from agentbatch.runs.store.database import read_state
from tests.support import commands
from tests.support.acp import AGENT
from tests.support.keys import KEY
from tests.support.programs import standing_in
from tests.support.waiting import PATIENCE, until
from tests.tasks.run.verdicts import COMPLETE

pytestmark = pytest.mark.slow

AGENTS = 5
LEFT = {"spawn": "touch left; exec sleep 600"}
CALL = {"call": "Task."}
FIRST = [CALL, LEFT, {"run": "echo one >> a.txt"}, {"run": "touch begun; sleep 600"}]
SECOND = [CALL, {"run": "echo right >> a.txt"}, {"say": "Done."}]


def project(folder: Path, first: list[dict[str, Any]] = FIRST, agents: int = AGENTS) -> None:
    """The agent and its script lie in the tasks' directories: a sandbox shows little else."""
    command = json.dumps([sys.executable, "-I", "-S", "agent.py", "script.json"])
    env = '{FAKE_URL = "{url}", FAKE_TOKEN = "{token}", FAKE_MODEL = "any"}'
    (folder / "agents").mkdir(parents=True)
    (folder / "agents/coders.toml").write_text(
        f'[fake]\nprotocol = "acp"\ncommand = {command}\nenv = {env}\n'
    )
    tasks = []
    for number in range(agents):
        place = folder / f"t{number}"
        place.mkdir()
        (place / "agent.py").write_text(AGENT.read_text())
        script = {"turns": [first, SECOND], "heard": "heard.jsonl"}
        (place / "script.json").write_text(json.dumps(script))
        tasks.append(
            {"id": f"t{number}", "dir": f"t{number}", "first_prompt": "Task.", "verify": "grep right a.txt"}
        )
    (folder / "task.json").write_text(json.dumps({"tasks": tasks}))


@pytest.mark.parametrize("sandbox", ["auto", "none"])
async def test_killed_in_a_turn_and_resumed(tmp_path: Path, environ: dict[str, str], sandbox: str) -> None:
    folder = tmp_path / "batch"
    project(folder)
    script = Script(prompt="Task.", coder=[Say(content="Words.")], evaluator=[Say(verdict=COMPLETE)])
    async with RehearsalServer([script], key=KEY) as server:
        variables = {
            **environ,
            "OPENAI_API_KEY": KEY,
            "CODER_ENDPOINT": server.base_url,
            "EVALUATION_BASE_URL": server.base_url,
            "CODER_MODEL": "rehearsal-coder",
            "EVALUATION_MODEL": "rehearsal-evaluator",
        }
        flags = ("--coder", "fake", "--sandbox", sandbox, "--parallel", str(AGENTS), "--display", "plain")
        engine = commands.start(*flags, cwd=folder, env=variables, output=tmp_path / "first.txt")
        begun = [folder / f"t{number}" / name for number in range(AGENTS) for name in ("begun", "left")]
        await until(lambda: all(file.exists() for file in begun))
        os.kill(engine.pid, signal.SIGKILL)
        await engine.wait()
        await until(lambda: standing_in(folder) == [], "agents outlive the engine")
        resumed = commands.start(
            "--resume", *flags, cwd=folder, env=variables, output=tmp_path / "second.txt"
        )
        async with asyncio.timeout(PATIENCE):
            assert await resumed.wait() == 0, (tmp_path / "second.txt").read_text()
        await until(lambda: standing_in(folder) == [], "something outlives its run")
    for number in range(AGENTS):
        place = folder / f"t{number}"
        assert (place / "a.txt").read_text() == "one\nright\n"
        heard = [json.loads(line) for line in (place / "heard.jsonl").read_text().splitlines()]
        sessions = [(one["method"], one["session"]) for one in heard if one["method"].startswith("session/")]
        assert sessions == [
            ("session/new", "session-0"),
            ("session/prompt", "session-0"),
            ("session/load", "session-0"),
            ("session/prompt", "session-0"),
        ]


async def test_killed_while_an_agent_is_answered(tmp_path: Path, environ: dict[str, str]) -> None:
    """What was billed before is in the bill; the call under way is lost, and no other."""
    folder, file = tmp_path / "batch", tmp_path / "batch/t0/heard.jsonl"
    project(folder, [{**CALL, "times": 3}, {**CALL, "stream": True}], agents=1)
    slow = Say(content="word " * 1000)
    script = Script(prompt="Task.", coder=[slow], evaluator=[Say(verdict=COMPLETE)])
    async with RehearsalServer([script], key=KEY, streaming=Streaming(tokens_per_second=20)) as server:
        variables = {
            **environ,
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": server.base_url,
            "CODER_MODEL": "rehearsal-coder",
            "EVALUATION_MODEL": "rehearsal-evaluator",
        }
        flags = ("--coder", "fake", "--sandbox", "none", "--evaluator", "none", "--display", "plain")
        engine = commands.start(*flags, cwd=folder, env=variables, output=tmp_path / "first.txt")
        await until(lambda: file.exists() and "streaming" in file.read_text())
        os.kill(engine.pid, signal.SIGKILL)
        await engine.wait()
        killed = read_state(find_run(folder, None).database)
        await until(lambda: server.in_flight == 0, "the endpoint still answers")
        resumed = commands.start(
            "--resume", *flags, cwd=folder, env=variables, output=tmp_path / "second.txt"
        )
        async with asyncio.timeout(PATIENCE):
            assert await resumed.wait() == 0, (tmp_path / "second.txt").read_text()
    after = read_state(find_run(folder, None).database)
    heard = [json.loads(line) for line in file.read_text().splitlines()]
    usages = [one["usage"]["total_tokens"] for one in heard if one["method"] == "call"]
    assert (len(usages), killed.usage.calls, killed.usage.total) == (4, 3, sum(usages[:3]))
    assert (after.usage.calls, after.usage.total) == (4, sum(usages))
    assert not after.usage.estimated
