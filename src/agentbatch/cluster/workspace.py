"""A task's workspace on a machine of a cluster. What is at home is the task's: each snapshot brings the directory back,
and what is lost with a machine is what was done there since."""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

from agentbatch.cluster.connection import Lost
from agentbatch.cluster.hands import MAIN
from agentbatch.cluster.home import AwayMark, Home
from agentbatch.cluster.process import ClusterProcess
from agentbatch.cluster.seen import Difference, Known, without
from agentbatch.cluster.station import Station
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.text import counted
from agentbatch.workspace.workspace import (
    Checkpoint,
    CommandResult,
    FileEntry,
    Process,
    Program,
    Protected,
    Snapshot,
    ToolResult,
    Workspace,
    WorkspaceInfo,
)

INTERRUPTED = (
    "Interrupted, outcome unknown: the machine that this ran on was lost ({reason}). You work on another machine now, "
    "in a directory that is as it was {when}. Look at the files before you go on."
)
LOST_BEFORE = (
    "[The machine that you worked on was lost ({reason}). Before this call, on another one, the directory was as it "
    "was {when}; look at the files before you go on.]"
)
LEFT_AWAY = (
    "[The engine ended while you worked on another machine. The directory is as it was when it was brought home last: "
    "what your latest calls did may be gone. Look at the files before you go on.]"
)
SHELL = "bash"
"""The tool whose calls may do something outside of the directory: they are not repeated on another machine."""

SHARE = 0.1
"""Of the time of a turn that may go into bringing the directory home after calls."""

T = TypeVar("T")


class Far:
    """What every workspace of a task on a node does in the same way: the task's own and its forks."""

    def __init__(self, station: Station, redact: Redactor) -> None:
        self.station = station
        self.redact = redact
        self.known = Known()

    @property
    def info(self) -> WorkspaceInfo:
        assert self.station.info is not None
        return self.station.info

    async def look(
        self,
        target: int,
        since: Snapshot | None,
        elsewhere: Snapshot | None = None,
        kept: Mapping[str, FileEntry] = MappingProxyType({}),
    ) -> Snapshot:
        """`elsewhere`: what home has seen of the directory, and the node has not. `kept`: what is at home alone. Raises
        Lost."""
        number, known = self.known.find(since)
        by = known if known is not None else without(elsewhere or since or Snapshot({}), kept)
        told = _as(Difference, await self.station.ask(target, "snapshot", number, by.digest))
        return self.known.read(told, by, kept)

    def masked(self, result: ToolResult) -> ToolResult:
        """Nodes have no keys, and do not know them."""
        command, redact = result.command, self.redact
        if command is not None:
            command = replace(command, command=redact(command.command), tail=redact(command.tail))
        return replace(result, text=redact(result.text), note=redact(result.note), command=command)

    def masked_run(self, result: CommandResult) -> CommandResult:
        return replace(result, output=self.redact(result.output))


class ClusterWorkspace(Far):
    """See `Workspace` for the protocol."""

    def __init__(
        self,
        station: Station,
        inner: Workspace,
        redact: Redactor,
        away: AwayMark,
        kept_out: Collection[str] = (),
    ) -> None:
        """`inner`: of the same directory at home. `kept_out`: files of it, relative, that no node gets."""
        super().__init__(station, redact)
        self._inner = inner
        self._kept_out = frozenset(kept_out)
        self._away = away
        self._told = LEFT_AWAY if away.left else ""
        """What the coder has to know, with its next answer."""
        self._changed = 0
        """Calls and commands since the directory was brought home: it may be otherwise on the node."""
        self._bringing: asyncio.Task[None] | None = None
        self._brought, self._took = 0.0, 0.0
        """When it was brought home after a call last (time.monotonic), and how long that took."""

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        await self._settle()
        before = self._begin_step()
        try:
            result = self.masked(_as(ToolResult, await self.station.ask(MAIN, "call", tool, arguments)))
        except Lost as error:
            text = await self._replace(error, INTERRUPTED, before)
            if not before and tool != SHELL:  # the directory is exactly as it was when the call began
                return await self.call(tool, arguments)
            return ToolResult(text, ok=False, changed=True, note="machine lost")
        if not result.changed and not before:
            self._is_home()
        self._bring_meanwhile()
        told, self._told = self._told, ""
        return replace(result, text=f"{told}\n{result.text}") if told else result

    async def run(self, command: str, timeout: float) -> CommandResult:
        await self._settle()
        before = self._begin_step()
        try:
            result = await self.station.ask(MAIN, "run", command, timeout)
        except Lost as error:
            text = await self._replace(error, INTERRUPTED, before)
            if not before:
                return await self.run(command, timeout)
            return CommandResult(None, text, False, False, 0.0, "")
        return self.masked_run(_as(CommandResult, result))

    async def open(self, program: Program) -> Process:
        await self._settle()
        self._begin_step()
        return await self._again(lambda: ClusterProcess.open(self.station, program, self.redact))

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        first = await self._inner.snapshot() if since is None else None
        seen = first or since or Snapshot({})
        kept = {path: seen.files[path] for path in self._kept_out if path in seen.files}

        async def look() -> Snapshot:
            if self._changed:
                await self._back()
            return await self.look(MAIN, since, first, kept)

        await self._settle()
        return await self._again(look)

    async def protect(self, patterns: Sequence[str]) -> Protected:
        await self._come_home()
        return await self._inner.protect(patterns)

    async def restore(self, protected: Protected) -> list[str]:
        await self._come_home()
        tampered = await self._inner.restore(protected)
        if tampered:
            await self._go_away()
        return tampered

    async def checkpoint(self) -> Checkpoint:
        await self._come_home()
        return await self._inner.checkpoint()

    async def restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        await self._inner.restore_checkpoint(checkpoint)
        await self._go_away()

    async def fork(self) -> "ClusterFork":
        await self._settle()

        async def make() -> ClusterFork:
            return ClusterFork(self, _as(int, await self.station.ask(MAIN, "fork")))

        return await self._again(make)

    async def close(self) -> tuple[str, ...]:
        return await self._inner.close()

    async def come_home(self) -> None:
        """The directory at home is as it is on the node, as far as that is there. Raises OSError, UserError."""
        await self._meanwhile()
        if self._changed:
            try:
                await self._back()
            except Lost as error:
                raise OSError(
                    errno.EIO, f"The machine was lost with what was done there last: {error}"
                ) from None

    async def replaced(self, error: Lost) -> None:
        """A fork has found the machine lost."""
        self._told = await self._replace(error, LOST_BEFORE, self._changed)

    async def _come_home(self) -> None:
        await self._settle()
        if self._changed:
            await self._again(self._back)

    async def _go_away(self) -> None:
        await self._settle()
        await self._again(lambda: self._home.away(self.station.side))

    async def _back(self) -> None:
        begun = time.monotonic()
        await self._home.back(self.station.side)
        self._is_home()
        self._brought = time.monotonic()
        self._took = self._brought - begun

    def _begin_step(self) -> int:
        """How many there were since the directory was brought home."""
        self._away.set()
        self._changed += 1
        return self._changed - 1

    def _is_home(self) -> None:
        self._changed = 0
        self._away.clear()

    def _bring_meanwhile(self) -> None:
        """While the coder thinks, unless that would take too much of the time: what a loss costs is little then."""
        if self._changed and time.monotonic() - self._brought > self._took / SHARE:
            self._bringing = asyncio.ensure_future(self._back())

    async def _meanwhile(self) -> None:
        """Nothing is under way between home and the node any more."""
        bringing, self._bringing = self._bringing, None
        if bringing is None:
            return
        try:
            await asyncio.wait({bringing})
        except asyncio.CancelledError:
            bringing.cancel()
            await asyncio.wait({bringing})
            raise
        with suppress(Lost, OSError, UserError):  # it is tried again, and told, when it must be
            bringing.result()

    @property
    def _home(self) -> Home:
        assert self.station.home is not None
        return self.station.home

    async def _settle(self) -> None:
        """A machine that was lost since the last question is replaced before the next."""
        await self._meanwhile()
        if lost := self.station.is_lost():
            self._told = await self._replace(Lost(lost), LOST_BEFORE, self._changed)

    async def _replace(self, error: Lost, words: str, calls: int) -> str:
        """`calls`: that were answered since the directory was brought home."""
        when = f"{counted(calls, 'call')} earlier" if calls else "after the call before this"
        self.known.forget()
        await self.station.replace(error)
        self._is_home()
        return words.format(reason=str(error).rstrip("."), when=when)

    async def _again(self, step: Callable[[], Awaitable[T]]) -> T:
        """A step that may be repeated on another machine. Raises OSError where that is lost too."""
        while True:
            try:
                return await step()
            except Lost as error:
                self._told = await self._replace(error, LOST_BEFORE, self._changed)


class ClusterFork(Far):
    """A throw-away copy on the node. With its machine it is lost, and made again on another by doing the same again."""

    def __init__(self, of: ClusterWorkspace, number: int) -> None:
        super().__init__(of.station, of.redact)
        self._of = of
        self._number = number
        self._generation = of.station.generation
        self._done: list[tuple[str, tuple[Any, ...]]] = []
        """What was asked for so far and may have changed it."""

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        return self.masked(_as(ToolResult, await self._do("call", tool, arguments)))

    async def run(self, command: str, timeout: float) -> CommandResult:
        return self.masked_run(_as(CommandResult, await self._do("run", command, timeout)))

    async def open(self, program: Program) -> Process:
        return await ClusterProcess.open(self.station, program, self.redact, self._number)

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        while True:
            try:
                return await self.look(self._number, since)
            except Lost as error:
                await self._make_again(error)

    async def protect(self, patterns: Sequence[str]) -> Protected:
        return _as(Protected, await self._do("protect", list(patterns)))

    async def restore(self, protected: Protected) -> list[str]:
        return _as(list, await self._do("restore", protected))

    async def checkpoint(self) -> Checkpoint:
        return _as(Checkpoint, await self._do("checkpoint"))

    async def restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        await self._do("restore_checkpoint", checkpoint)

    async def fork(self) -> "ClusterFork":
        return ClusterFork(self._of, _as(int, await self._do("fork")))

    async def close(self) -> tuple[str, ...]:
        if self._generation != self.station.generation:
            return ()
        try:
            return tuple(await self.station.ask(self._number, "close"))
        except Lost:
            return ()

    async def _do(self, member: str, *given: Any) -> Any:
        while True:
            try:
                if self._generation != self.station.generation:
                    raise Lost("its machine was lost")
                answer = await self.station.ask(self._number, member, *given)
            except Lost as error:
                await self._make_again(error)
            else:
                self._done.append((member, given))
                return answer

    async def _make_again(self, error: Lost) -> None:
        if self._generation == self.station.generation:
            await self._of.replaced(error)
        self.known.forget()
        self._generation = self.station.generation
        try:
            self._number = _as(int, await self.station.ask(MAIN, "fork"))
            for member, given in self._done:
                await self.station.ask(self._number, member, *given)
        except Lost as again:
            await self._of.replaced(again)
            raise OSError(errno.EIO, f"The machine of a check was lost: {again}") from None


def _as(kind: type[T], answer: Any) -> T:
    """Nodes are where coders work: what comes from there is looked at."""
    if not isinstance(answer, kind):
        raise UserError("A node has answered what no node of ours does.")
    return answer
