"""A throw-away copy of a task's directory on its node."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.exchange.terms import MAIN
from agentbatch.cluster.remote.process import ClusterProcess
from agentbatch.cluster.remote.remote_calls import RemoteCalls
from agentbatch.cluster.shapes import checked
from agentbatch.cluster.stations.station import Station
from agentbatch.redaction import Redactor
from agentbatch.workspace.workspace import (
    Checkpoint,
    CommandResult,
    Process,
    Program,
    Protected,
    Snapshot,
    ToolResult,
    WorkspaceInfo,
)

T = TypeVar("T")


class Forked(Protocol):
    """What it is a copy of."""

    station: Station
    redact: Redactor
    forks: int
    """That are open."""

    async def replaced(self, error: Lost) -> None:
        """The machine was found lost: take another."""
        ...

    async def fork_closed(self) -> None:
        """One has ended."""
        ...


class ClusterFork(RemoteCalls):
    """See `Workspace` for the protocol. When its machine is lost, it is made again by doing the same elsewhere."""

    def __init__(self, of: Forked, told: tuple[int, WorkspaceInfo]) -> None:
        super().__init__(of.station, of.redact)
        self._of = of
        self._open = True
        of.forks += 1
        self._number, self._info = checked(int, told[0]), checked(WorkspaceInfo, told[1])
        self._generation = of.station.generation
        self._done: list[tuple[str, tuple[Any, ...]]] = []
        """What was asked for so far and may have changed it."""

    @property
    def info(self) -> WorkspaceInfo:
        return replace(self._info, place=self.station.place)

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        return self.masked(checked(ToolResult, await self._do("call", tool, arguments)))

    async def run(self, command: str, timeout: float) -> CommandResult:
        return self.masked_run(checked(CommandResult, await self._do("run", command, timeout)))

    async def open(self, program: Program) -> Process:
        return await self._again(
            lambda: ClusterProcess.open(self.station, program, self.redact, self._number)
        )

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        return await self._again(lambda: self.look(self._number, since))

    async def protect(self, patterns: Sequence[str]) -> Protected:
        return checked(Protected, await self._do("protect", list(patterns)))

    async def restore(self, protected: Protected) -> list[str]:
        return checked(list[str], await self._do("restore", protected))

    async def checkpoint(self) -> Checkpoint:
        return checked(Checkpoint, await self._do("checkpoint"))

    async def restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        await self._do("restore_checkpoint", checkpoint)

    async def fork(self) -> "ClusterFork":
        return ClusterFork(self._of, checked(tuple, await self._do("fork")))

    async def close(self) -> tuple[str, ...]:
        problems: tuple[str, ...] = ()
        if self._open:
            self._open = False
            self._of.forks -= 1
            if self._generation == self.station.generation:
                with suppress(Lost):
                    problems = tuple(await self.station.ask(self._number, "close"))
            await self._of.fork_closed()
        return problems

    async def _do(self, member: str, *given: Any) -> Any:
        answer = await self._again(lambda: self.station.ask(self._number, member, *given))
        self._done.append((member, given))
        return answer

    async def _again(self, step: Callable[[], Awaitable[T]]) -> T:
        """Raises OSError where machines are lost again and again with the same step."""
        while True:
            try:
                if self._generation != self.station.generation:
                    await self._make_again()
                return await step()
            except Lost as error:
                await self._of.replaced(error)

    async def _make_again(self) -> None:
        """On the machine that the task has now. Raises Lost."""
        self.known.forget()
        generation = self.station.generation
        self._number, self._info = checked(tuple, await self.station.ask(MAIN, "fork"))
        for member, given in self._done:
            await self.station.ask(self._number, member, *given)
        self._generation = generation
