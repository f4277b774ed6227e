"""Batches as Python makes them, against a rehearsal server with a test's own scripts."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from agentbatch import Batch, Task
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.rehearsal.streaming import Streaming
from tests.support.keys import KEY

FINISH = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
ACCEPT = Say(
    verdict={
        "complete": True,
        "requirements": [{"text": "all", "met": True, "evidence": "@"}],
        "missing": [],
        "follow_up": "",
    }
)


def writes(name: str) -> Say:
    return Say(calls=[ScriptedCall(name="write_file", arguments={"path": name, "content": "x\n"})])


def script(name: str, *coder: Say | Fault) -> Script:
    return Script(prompt=f"Do {name}.", coder=[*coder, FINISH], evaluator=[ACCEPT])


def task(name: str, **fields: Any) -> Task:
    return Task(id=name, dir=f"work/{name}", first_prompt=f"Do {name}.", verify=f"test -e {name}", **fields)


class MakeBatch(Protocol):
    async def __call__(self, tasks: Sequence[Task], scripts: Sequence[Script], **given: Any) -> Batch: ...


@pytest.fixture
async def make_batch(tmp_path: Path) -> AsyncIterator[MakeBatch]:
    """No evaluator is asked: `verify` decides."""
    async with AsyncExitStack() as stack:

        async def make(tasks: Sequence[Task], scripts: Sequence[Script], **given: Any) -> Batch:
            streaming = Streaming(tokens_per_chunk=16)
            server = RehearsalServer(scripts, key=KEY, any_model=True, streaming=streaming)
            await stack.enter_async_context(server)
            environ = {**os.environ, "XDG_CACHE_HOME": f"{tmp_path}-cache"}
            usual = {"folder": tmp_path, "environ": environ, "model": "rehearsal-coder", "judge": "none"}
            quick = {
                "request_timeout": 2,
                "retry_delay": 0.01,
            }  # for a call that hangs, and was not sent before
            given = {
                **quick,
                "base_url": server.base_url,
                "api_key": KEY,
                "tool_mode": "native",
                **usual,
                **given,
            }
            return Batch(tasks, **given)

        yield make
