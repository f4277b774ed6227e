"""Coders of the program that uses us: made for each task, heard, billed, resumed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agentbatch import Batch, Task, Turn, UserError, open_run
from agentbatch.usage import Usage
from agentbatch.workspace.workspace import Workspace

PAID = Usage(input=10, output=5, calls=1)


class Own:
    """Makes `a` in its second turn."""

    prompts: list[str]
    waits: asyncio.Event | None = None

    def __init__(self, task: Task) -> None:
        type(self).prompts = []

    async def turn(self, prompt: str, workspace: Workspace) -> str | Turn:
        self.prompts.append(prompt)
        if len(self.prompts) == 1:
            return "Not yet."
        if self.waits is not None:
            await self.waits.wait()
        assert (await workspace.call("write_file", {"path": "a", "content": "x"})).ok
        return Turn("Made.", PAID, 0.5)


def batch(folder: Path, coder: Any, name: str = "own") -> Batch:
    task = Task(id="a", dir="work/a", first_prompt="Make a.", verify="test -e a")
    return Batch(
        [task],
        folder=folder,
        coders={name: coder},
        coder_name=name,
        judge="none",
        environ={"PATH": "/usr/bin:/bin"},
    )


async def test_its_turns_and_its_bill(tmp_path: Path) -> None:
    result = await batch(tmp_path, Own).start().result()
    task = result["a"]
    assert (task.status, task.iterations, task.summary, task.coder) == ("completed", 2, "Made.", "own")
    assert Own.prompts[0].startswith("Make a.")
    assert "test -e a" in Own.prompts[1]
    assert (task.tokens.total, task.tokens.untold, task.cost) == (15, 1, None), (
        "nobody told of the first turn"
    )


async def test_what_it_raises_ends_its_task(tmp_path: Path) -> None:
    class Broken(Own):
        async def turn(self, prompt: str, workspace: Workspace) -> str:
            raise KeyError("x")

    result = await batch(tmp_path, Broken).start().result()
    assert (result["a"].reason, result["a"].error) == ("internal_error", "Internal error: KeyError: 'x'")


async def test_it_is_resumed_where_it_is_given_again(tmp_path: Path) -> None:
    class Waiting(Own):
        waits = asyncio.Event()

    with pytest.raises(LookupError):
        async with batch(tmp_path, Waiting).start() as run:
            async for progress in run.states(0.02):
                if progress["a"].iterations == 2:
                    raise LookupError
    left = open_run(folder=tmp_path)
    with pytest.raises(UserError, match="there is no coder 'own'"):
        await left.resume().result()
    Waiting.waits.set()
    result = await left.resume(coders={"own": Waiting}).result()
    assert (result["a"].status, result["a"].iterations) == ("completed", 3), "it begins anew"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("builtin", "coders: the coder builtin is there already."),
        ("My Coder", "coders: \\[My Coder\\] is no name for a coder: small letters"),
    ],
)
async def test_its_name_is_its_own(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        await batch(tmp_path, Own, name).start().result()
