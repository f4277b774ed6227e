"""A task's workspace on a machine of a cluster. What is at home is the task's: each snapshot brings the directory back,
and what is lost with a machine is what was done there since."""

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from agentbatch.cluster.exchange.losses import HeadLost, Lost
from agentbatch.cluster.exchange.terms import MAIN
from agentbatch.cluster.remote.fork import ClusterFork
from agentbatch.cluster.remote.process import ClusterProcess
from agentbatch.cluster.remote.remote_calls import RemoteCalls
from agentbatch.cluster.shapes import checked
from agentbatch.cluster.stations.home import AwayMark, Home
from agentbatch.cluster.stations.station import Station
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.text import counted
from agentbatch.workspace.workspace import (
    Checkpoint,
    CommandResult,
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
REPEATED, UNKNOWN = "repeated on another machine", "machine lost"
"""What events say of a call whose machine was lost: it was made twice, or once and nobody knows how it ended."""
SHELL = "bash"
"""The tool whose calls may do something outside of the directory: they are not repeated on another machine."""

SOON = 0.25
"""Seconds that an answer may wait for the directory to come home."""
SHARE = 0.1
"""Of the time of a turn that may go into bringing the directory home after calls."""

T = TypeVar("T")


class ClusterWorkspace(RemoteCalls):
    """See `Workspace` for the protocol."""

    def __init__(
        self,
        station: Station,
        inner: Workspace,
        redact: Redactor,
        away: AwayMark,
        kept_out: Collection[str] = (),
        *,
        at_work: bool = True,
    ) -> None:
        """`inner`: of the same directory at home. `kept_out`: files of it, relative, that no node gets. `at_work`: as
        in Order; else it has a machine only while it has a fork, so that who looks at several holds one at a time."""
        super().__init__(station, redact)
        self._inner = inner
        self._kept_out = frozenset(kept_out)
        self._away = away
        self._told = LEFT_AWAY if away.left else ""
        """What the coder has to know, with its next answer."""
        self._whole = True
        """All that there was could be brought home."""
        self._seen: Snapshot | None = None
        """The directory at home, when it was looked at last."""
        self._changed = 0
        """Calls and commands since the directory was brought home: it may be otherwise on the node."""
        self._at_work = at_work
        self.forks = 0
        self._lost: Lost | None = None if at_work else HeadLost("it has no machine yet")
        """Its machine is lost, and there is no other yet."""
        self._replacing = asyncio.Lock()
        self._bringing: asyncio.Task[None] | None = None
        self._brought, self._took = 0.0, 0.0
        """When it was brought home after a call last (time.monotonic), and how long that took."""

    @property
    def info(self) -> WorkspaceInfo:
        here = self._inner.info
        return replace(self.station.info, notices=here.notices) if self.station.info else here

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        await self._settle()
        before = self._begin_step()
        try:
            result = self.masked(checked(ToolResult, await self.station.ask(MAIN, "call", tool, arguments)))
        except Lost as error:
            text = self._words(INTERRUPTED, error, before)
            await self._replace(error)
            if not before and tool != SHELL:  # the directory is exactly as it was when the call began
                again = await self.call(tool, arguments)
                return replace(again, note=f"{REPEATED}, {again.note}" if again.note else REPEATED)
            return ToolResult(text, ok=False, changed=True, note=UNKNOWN)
        if not result.changed and not before:
            self._is_home()
        await self._bring_after_call()
        told, self._told = self._told, ""
        return replace(result, text=f"{told}\n{result.text}") if told else result

    async def run(self, command: str, timeout: float) -> CommandResult:
        await self._settle()
        before = self._begin_step()
        try:
            result = await self.station.ask(MAIN, "run", command, timeout)
        except Lost as error:
            text = self._words(INTERRUPTED, error, before)
            await self._replace(error)
            if not before:
                return await self.run(command, timeout)
            return CommandResult(None, text, False, False, 0.0, "")
        return self.masked_run(checked(CommandResult, result))

    async def open(self, program: Program) -> Process:
        await self._settle()
        self._begin_step()
        return await self._again(lambda: ClusterProcess.open(self.station, program, self.redact))

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        """Of a lost machine's directory, what is at home: another will begin with that."""
        await self._meanwhile()
        first = await self._look_at_home() if since is None else None
        seen = first or since or Snapshot({})
        kept = {path: seen.files[path] for path in self._kept_out if path in seen.files}
        try:
            if self._changed and not self._is_lost():
                await self._back()
            if not self._whole and not self._is_lost():
                await self._home.away(self.station.side)  # checks see what is kept
                self._whole = True
            if not self._is_lost():
                home = await self._look_at_home() if self._home.is_apart else None
                return await self.look(MAIN, since, first, kept, home)
        except Lost as error:
            self._lose(error)
        return await self._look_at_home()

    async def _look_at_home(self) -> Snapshot:
        """By what was seen here alone: what a node says of its files is no sign that one here is unchanged."""
        self._seen = await self._inner.snapshot(self._seen)
        return self._seen

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
        await self._meanwhile()
        await self._inner.restore_checkpoint(checkpoint)
        await self._go_away()

    async def fork(self) -> "ClusterFork":
        await self._settle()

        async def make() -> ClusterFork:
            return ClusterFork(self, checked(tuple, await self.station.ask(MAIN, "fork")))

        return await self._again(make)

    async def close(self) -> tuple[str, ...]:
        return await self._inner.close()

    async def come_home(self) -> None:
        """The directory at home is as it is on the node, as far as that is there. Raises OSError, UserError."""
        await self._meanwhile()
        if self._changed and not self._is_lost():
            try:
                await self._back()
            except Lost as error:
                raise OSError(
                    errno.EIO, f"The machine was lost with what was done there last: {error}"
                ) from None

    async def replaced(self, error: Lost) -> None:
        """A fork has found the machine lost."""
        self._lose(error)
        await self._replace(error)

    async def fork_closed(self) -> None:
        if not self._at_work and not self.forks and not self._changed and self._lost is None:
            await self.station.leave()
            self._lost = HeadLost("it has no machine now")

    async def _come_home(self) -> None:
        await self._meanwhile()
        if self._changed and not self._is_lost():
            try:
                await self._back()
            except Lost as error:
                self._lose(error)

    async def _go_away(self) -> None:
        if not self._is_lost():
            try:
                await self._home.away(self.station.side)
            except Lost as error:
                self._lose(error)

    async def _back(self) -> None:
        begun = time.monotonic()
        self._whole = await self._home.back(self.station.side)
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

    async def _bring_after_call(self) -> None:
        """Before the coder has the answer, where that is soon done: what it was told of is at home then. In a large
        directory while the coder thinks, unless that would take too much of the time."""
        if not self._changed or (self._took > SOON and time.monotonic() - self._brought < self._took / SHARE):
            return
        self._bringing = asyncio.ensure_future(self._back())
        if self._took <= SOON:
            await self._meanwhile()

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
        if self._is_lost() and self._lost is not None:
            await self._replace(self._lost)

    def _is_lost(self) -> bool:
        if self._lost is None and (lost := self.station.loss()) is not None:
            self._lose(lost)
        return self._lost is not None

    def _lose(self, error: Lost) -> None:
        """What is at home is the directory from here on; the next answer says so."""
        if self._is_over(error):
            return
        self.station.tell_loss(error)
        self._lost, self._told = error, self._words(LOST_BEFORE, error, self._changed)
        self._is_home()

    async def _replace(self, error: Lost) -> None:
        async with self._replacing:
            if self._is_over(error):
                return
            self._lost = error  # until there is another, also where this is cancelled
            self.known.forget()
            await self.station.replace(error)
            self._lost = None
            self._is_home()

    def _is_over(self, error: Lost) -> bool:
        """That machine has been replaced: what was asked of it before was answered late, or by nobody."""
        return 0 < error.generation < self.station.generation

    def _words(self, words: str, error: Lost, calls: int) -> str:
        """`calls`: that were answered since the directory was brought home."""
        when = f"{counted(calls, 'call')} earlier" if calls else "after the call before this"
        return words.format(reason=str(error).rstrip("."), when=when)

    async def _again(self, step: Callable[[], Awaitable[T]]) -> T:
        """A step that may be repeated on another machine. Raises OSError where that is lost too."""
        while True:
            try:
                return await step()
            except Lost as error:
                self._lose(error)
                await self._replace(error)
