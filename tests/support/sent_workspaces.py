"""Workspaces as if they were on another machine: every call and every answer goes through pickle as plain data."""

import dataclasses
import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from agentbatch.errors import UserError
from agentbatch.workspace import workspace as door
from agentbatch.workspace.workspace import (
    Checkpoint,
    CommandResult,
    Ending,
    Order,
    Process,
    Program,
    Protected,
    RecalledSetup,
    Snapshot,
    TaskWorkspace,
    ToolResult,
    WorkLeft,
    Workspace,
    WorkspaceInfo,
    Workspaces,
)

T = TypeVar("T")

ELSEWHERE = "/a/machine/that/is/not/this/one"
"""Where the directory is said to be: what opens it at home finds nothing."""

PLAIN = (str, bytes, int, float, bool, type(None))


def assert_plain(value: Any) -> None:
    """Made of strings, bytes, numbers, tuples, lists, mappings and the door's own frozen dataclasses alone."""
    kind = type(value)
    if kind in (tuple, list):
        for item in value:
            assert_plain(item)
    elif kind is dict:
        for key, item in value.items():
            assert_plain(key)
            assert_plain(item)
    elif dataclasses.is_dataclass(value):
        assert kind.__module__ == door.__name__, f"{kind} is no type of the door"
        assert kind.__dataclass_params__.frozen
        for field in dataclasses.fields(value):
            assert_plain(getattr(value, field.name))
    else:
        assert kind in PLAIN, f"{kind} is not plain data"


def sent(value: T) -> T:
    """What arrives on the other side."""
    assert_plain(value)
    arrived: T = pickle.loads(pickle.dumps(value))
    return arrived


class SentProcess:
    """What is opened there: every question and answer is bytes and numbers."""

    def __init__(self, there: Process) -> None:
        self._there = there

    async def write(self, data: bytes) -> None:
        await self._there.write(sent(data))

    async def close_input(self) -> None:
        await self._there.close_input()

    async def read(self, limit: int = 65536) -> bytes:
        return sent(await self._there.read(sent(limit)))

    async def wait(self) -> int:
        return sent(await self._there.wait())

    async def freeze(self) -> None:
        await self._there.freeze()

    async def thaw(self) -> None:
        await self._there.thaw()

    async def stop(self) -> None:
        await self._there.stop()

    @property
    def errors(self) -> str:
        return sent(self._there.errors)


class SentWorkspace:
    """`used` counts the members that were asked for, by name."""

    def __init__(self, there: Workspace, used: Counter[str]) -> None:
        self._there = there
        self.used = used

    async def _ask(self, member: str, *given: Any) -> Any:
        self.used[member] += 1
        try:
            return sent(await getattr(self._there, member)(*sent(list(given))))
        except (OSError, UserError) as error:
            raise pickle.loads(pickle.dumps(error)) from None

    @property
    def info(self) -> WorkspaceInfo:
        self.used["info"] += 1
        return dataclasses.replace(sent(self._there.info), directory=ELSEWHERE)

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        answer: ToolResult = await self._ask("call", tool, arguments)
        return answer

    async def run(self, command: str, timeout: float) -> CommandResult:
        answer: CommandResult = await self._ask("run", command, timeout)
        return answer

    async def open(self, program: Program) -> SentProcess:
        self.used["open"] += 1
        return SentProcess(await self._there.open(sent(program)))

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        answer: Snapshot = await self._ask("snapshot", since)
        return answer

    async def protect(self, patterns: Sequence[str]) -> Protected:
        answer: Protected = await self._ask("protect", patterns)
        return answer

    async def restore(self, protected: Protected) -> list[str]:
        answer: list[str] = await self._ask("restore", protected)
        return answer

    async def checkpoint(self) -> Checkpoint:
        answer: Checkpoint = await self._ask("checkpoint")
        return answer

    async def restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        await self._ask("restore_checkpoint", checkpoint)

    async def fork(self) -> "SentWorkspace":
        self.used["fork"] += 1
        return SentWorkspace(await self._there.fork(), self.used)

    async def close(self) -> tuple[str, ...]:
        answer: tuple[str, ...] = await self._ask("close")
        return answer


class SentTaskWorkspace:
    def __init__(self, there: TaskWorkspace, used: Counter[str]) -> None:
        self._there = there
        self.used = used

    async def start(self) -> SentWorkspace:
        self.used["start"] += 1
        return SentWorkspace(await self._there.start(), self.used)

    async def recall_setup(self) -> RecalledSetup:
        return sent(await self._there.recall_setup())

    async def keep_setup(self) -> str:
        return sent(await self._there.keep_setup())

    async def leave(self, ending: Ending) -> WorkLeft:
        self.used["leave"] += 1
        return sent(await self._there.leave(sent(ending)))

    async def close(self) -> tuple[str, ...]:
        self.used["close"] += 1
        return sent(await self._there.close())


class SentWorkspaces:
    def __init__(self, there: Workspaces) -> None:
        self._there = there
        self.used: Counter[str] = Counter()

    def make(self, order: Order) -> SentTaskWorkspace:
        return SentTaskWorkspace(self._there.make(sent(order)), self.used)

    async def remove_leftovers(self, ended: Sequence[str]) -> None:
        self.used["remove_leftovers"] += 1
        await self._there.remove_leftovers(sent(ended))

    async def close(self) -> None:
        self.used["run closed"] += 1
        await self._there.close()
