"""A task's workspace on a machine of a cluster. What is at home is the task's: each snapshot brings the directory back,
and what is lost with a machine is what was done there since."""

import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from agentbatch.cluster.connection import Lost
from agentbatch.cluster.hands import MAIN
from agentbatch.cluster.process import ClusterProcess
from agentbatch.cluster.seen import Difference, Known
from agentbatch.cluster.station import Station
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
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
    "in a directory that is as it was {when}; what was done since is gone. Look at the files before you go on."
)
LOST_BEFORE = (
    "[The machine that you worked on was lost ({reason}). You are on another one now; before this call the directory "
    "was as it was {when}; what was done since is gone.]"
)
FIRST = "at the start of this session"

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

    async def look(self, target: int, since: Snapshot | None, elsewhere: Snapshot | None) -> Snapshot:
        """`elsewhere`: what home has seen of the directory, and the node has not. Raises Lost."""
        by = since if self.known.number(since) else elsewhere or since
        told = await self.station.ask(
            target, "snapshot", self.known.number(since), by.digest if by is not None else ""
        )
        if not isinstance(told, Difference):
            raise UserError("A node has answered what no node of ours does.")
        return self.known.read(told, by or Snapshot({}))

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

    def __init__(self, station: Station, inner: Workspace, redact: Redactor, told: str = "") -> None:
        """`inner`: of the same directory at home. `told`: what the coder has to know of an earlier session."""
        super().__init__(station, redact)
        self._inner = inner
        self._told = told
        self._since = FIRST
        """What the directory at home is the state of."""
        self._changed = False
        """On the node something may be otherwise than at home."""

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        await self._settle()
        self._changed = True
        try:
            result = await self.station.ask(MAIN, "call", tool, arguments)
        except Lost as error:
            text = await self._replace(error, INTERRUPTED)
            return ToolResult(text, ok=False, changed=True, note="machine lost")
        told, self._told = self._told, ""
        result = self.masked(_as(ToolResult, result))
        return replace(result, text=f"{told}\n{result.text}") if told else result

    async def run(self, command: str, timeout: float) -> CommandResult:
        await self._settle()
        repeatable, self._changed = not self._changed, True
        try:
            result = await self.station.ask(MAIN, "run", command, timeout)
        except Lost as error:
            text = await self._replace(error, INTERRUPTED)
            if repeatable:  # the directory is exactly as it was when the command began
                return await self.run(command, timeout)
            return CommandResult(None, text, False, False, 0.0, "")
        return self.masked_run(_as(CommandResult, result))

    async def open(self, program: Program) -> Process:
        await self._settle()
        self._changed = True
        return await self._again(lambda: ClusterProcess.open(self.station, program, self.redact))

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        first = await self._inner.snapshot() if since is None else None

        async def look() -> Snapshot:
            if self._changed:
                await self._back()
            return await self.look(MAIN, since, first)

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
        if self._changed and not self.station.is_lost():
            try:
                await self._back()
            except Lost as error:
                raise OSError(
                    errno.EIO, f"The machine was lost with what was done there last: {error}"
                ) from None

    async def replaced(self, error: Lost) -> None:
        """A fork has found the machine lost."""
        self._told = await self._replace(error, LOST_BEFORE)

    async def _come_home(self) -> None:
        await self._settle()
        if self._changed:
            await self._again(self._back)

    async def _go_away(self) -> None:
        await self._settle()
        await self._again(lambda: self._home.away(self.station))

    async def _back(self) -> None:
        await self._home.back(self.station)
        self._changed, self._since = (
            False,
            "when it was last brought home, after the latest turn or look at it",
        )

    @property
    def _home(self) -> Any:
        assert self.station.home is not None
        return self.station.home

    async def _settle(self) -> None:
        """A machine that was lost since the last question is replaced before the next."""
        lost = self.station.is_lost()
        if lost:
            self._told = await self._replace(Lost(lost), LOST_BEFORE)

    async def _replace(self, error: Lost, words: str) -> str:
        text = words.format(reason=str(error).rstrip("."), when=self._since)
        self.known.forget()
        await self.station.replace(error)
        self._changed = False
        return text

    async def _again(self, step: Callable[[], Awaitable[T]]) -> T:
        """A step that may be repeated on another machine. Raises OSError where that is lost too."""
        while True:
            try:
                return await step()
            except Lost as error:
                self._told = await self._replace(error, LOST_BEFORE)


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
                return await self.look(self._number, since, None)
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
