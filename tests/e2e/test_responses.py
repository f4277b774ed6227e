"""The Responses API by the installed command: the sample batch, and kill -9 in the midst of thoughts."""

import json
import random
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say
from agentbatch.rehearsal.server import RehearsalServer
from tests.e2e.interrupted_batch import InterruptedBatch, files_of, script
from tests.support.keys import KEY
from tests.support.paths import CHECKOUT

COUNT, LINES, KILLS = 6, 40, 8


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--no-stream",), ("--tool-mode", "text")])
def test_the_sample_batch_completes(agentbatch: Any, folder: Path, flags: tuple[str, ...]) -> None:
    shutil.copy(CHECKOUT / "task.json", folder)
    done = agentbatch("--api", "responses", "--parallel", "3", *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 tasks: 10 completed" in done.stdout
    (database,) = folder.glob(".agentbatch/runs/*/run.db")
    with closing(sqlite3.connect(database)) as connection:
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT body FROM messages")]
    assert {"response_items" in body for body in bodies if body["role"] == "assistant"} == {True}


def thoughtful(number: int) -> Any:
    scripted = script(number, LINES)
    steps = [
        step.model_copy(update={"reasoning": f"Thought {place}."})
        for place, step in enumerate(scripted.coder)
        if isinstance(step, Say)
    ]
    return scripted.model_copy(update={"coder": steps})


@pytest.mark.slow
async def test_reasoning_outlives_kills(tmp_path: Path, environ: dict[str, str]) -> None:
    chance = random.Random(seed := random.randrange(2**32))
    server = RehearsalServer([thoughtful(n) for n in range(COUNT)], key=KEY, latency=0.05)
    async with server:
        batch = InterruptedBatch(
            tmp_path / "disturbed", server, environ, count=COUNT, flags=("--api", "responses")
        )
        for _ in range(KILLS):
            await batch.start()
            assert await batch.until_calls(chance.randint(1, 8)), f"seed {seed}: {batch.output}"
            await batch.pause_before_kill(chance.random() * 0.15)
            await batch.kill(signal.SIGKILL)
        assert await batch.finish() == 0, f"seed {seed}: {batch.output}"
    batch.check_finished()
    assert batch.files() == files_of(COUNT, LINES), f"seed {seed}"
    assert batch.repeated_calls() <= batch.in_flight_at_kills, f"seed {seed}"
    assert {request.path for request in server.requests} == {"/v1/responses"}
    for request in server.requests:
        items = request.body["input"]
        if request.body["model"] == "rehearsal-coder":
            thoughts = [item for item in items if item["type"] == "reasoning"]
            told = [thought["summary"][0]["text"] for thought in thoughts]
            assert told == [f"Thought {place}." for place in range(len(told))], f"seed {seed}"
            assert all(thought["encrypted_content"] for thought in thoughts)
