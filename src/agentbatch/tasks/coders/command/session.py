"""One task's agent that is a command: one run of it a turn, in a session of its own where it has one."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from agentbatch.tasks.coders.catalog.entry import Reader as ReaderName
from agentbatch.tasks.coders.command.invocation import (
    LATEST,
    Invocation,
    continues,
    invocation,
    is_session,
    names_sessions,
)
from agentbatch.tasks.coders.command.lines import Lines
from agentbatch.tasks.coders.command.readers.claude import ClaudeReader
from agentbatch.tasks.coders.command.readers.codex import CodexReader
from agentbatch.tasks.coders.command.readers.gemini import GeminiReader
from agentbatch.tasks.coders.command.readers.opencode import OpencodeReader
from agentbatch.tasks.coders.command.readers.pi import PiReader
from agentbatch.tasks.coders.command.readers.plain import PlainReader
from agentbatch.tasks.coders.command.readers.reader import Ended, Reader, ReaderUpdate, Session
from agentbatch.tasks.coders.external.limits import AgentProblem, AgentRefusal, Pace, TurnEnded
from agentbatch.tasks.coders.external.program import program
from agentbatch.tasks.coders.external.session import ExternalSession, SessionParts
from agentbatch.tasks.coders.external.updates.update import CostUpdate, UsageUpdate
from agentbatch.text import clip, harmless_line
from agentbatch.workspace.workspace import Process

READERS: Mapping[ReaderName, Callable[[], Reader]] = {
    "plain": PlainReader,
    "claude": ClaudeReader,
    "codex": CodexReader,
    "opencode": OpencodeReader,
    "gemini": GeminiReader,
    "pi": PiReader,
}

T = TypeVar("T")

READ = 64 << 10
"""Bytes that are taken at once: their lines are read without a pause."""
MAX_NAMED = 3
"""Sessions that one run may say it is in; more are not heard."""
SAID = 300
"""Characters of an agent's own words in a sentence."""


class CommandSession(ExternalSession):
    """It is its own agent: nothing runs between two turns."""

    def __init__(self, of: SessionParts) -> None:
        super().__init__(of)
        self._entry = of.parts.entry
        self._spoken = of.spoken
        self._process: Process | None = None
        self._announced = False
        self._cost = 0.0
        """What it said that the runs before have cost."""
        self._tokens: UsageUpdate | None = None
        """What it said that its session has taken, where it tells that."""

    async def ready(self) -> "CommandSession":
        self.remembered = continues(self._entry, self.known) or not self._spoken
        self.lost = False
        return self

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.stop()

    async def forget(self) -> None:
        await super().forget()
        self._spoken = False

    async def cancel(self) -> None:
        """It is ended by `stop`."""

    async def prompt(self, text: str, enough: Callable[[], TurnEnded | None]) -> str:
        entry, info, gone_on_with = self._entry, self.workspace.info, self.known
        asked = invocation(entry, text, gone_on_with, f"{info.homes}/{entry.name}")
        values = {**self.values, **asked.values}
        start = program(entry, info, self.access.model_address(), asked.command, values)
        process = self._process = await self.workspace.open(
            replace(start, files={**start.files, **asked.files})
        )
        run = _Run(self, process, READERS[entry.reader](), gone_on_with)
        if gone_on_with and not names_sessions(entry):
            self.of(Session(""), gone_on_with)
        try:
            ended = await run.to_its_end(asked, enough)
        finally:
            self._spoken = True
            self._cost += run.cost
            await self.stop()
        if ended is not None and ended.reason == "end_turn":
            return ended.reason
        if gone_on_with and not run.heard:
            self.known, self.lost = "", True
        return self._reason(ended, run.code, process.errors)

    def _reason(self, ended: Ended | None, code: int, errors: str) -> str:
        """Why its turn is over that has not simply ended. Raises AgentProblem."""
        if ended is None:
            last = next((line for line in reversed(errors.splitlines()) if line.strip()), "")
            end = f"Its program ended with exit code {code} and did not say that its turn was over"
            raise AgentProblem(f"{end}: {_quoted(last)}" if last else f"{end}.")
        if ended.reason == "cost":
            raise TurnEnded("cost_limit", "It says that its budget is used up.")
        if ended.reason in ("max_tokens", "max_turn_requests"):
            return ended.reason
        last = ended.problem.strip() or next(
            (one for one in reversed(errors.splitlines()) if one.strip()), ""
        )
        raise AgentRefusal(f"Its turn failed: {_quoted(last)}" if last else "Its turn failed.")

    def of(self, update: Session, gone_on_with: str) -> None:
        """It says in which session it is."""
        if not self._entry.resume:
            return
        name = update.id if names_sessions(self._entry) else LATEST
        if not is_session(name):
            self.tell("Its session has no usable id; the next turn is a new one.")
            name = ""
        if name != self.known or not self._announced:
            self._announced = True
            again = bool(name) and name == gone_on_with
            late = name == LATEST and not again
            self.begun(name, _quoted(update.agent), taken_up=again, late=late)

    def added(self, update: CostUpdate) -> CostUpdate:
        """With what the runs before have cost: each run begins at 0."""
        return CostUpdate(self._cost + update.cost)

    def own(self, update: UsageUpdate, gone_on_with: str) -> UsageUpdate | None:
        """The run's own; codex tells its whole session's. None: what the session had before is not known."""
        if self._entry.reader != "codex":
            return update
        before, self._tokens = self._tokens if gone_on_with else UsageUpdate(0, 0), update
        if before is None:
            return None
        counts = {name: max(0, value - getattr(before, name)) for name, value in vars(update).items()}
        return UsageUpdate(**counts)


class _Run:
    """One run of the program."""

    def __init__(self, session: CommandSession, process: Process, reader: Reader, gone_on_with: str) -> None:
        self._session = session
        self._process = process
        self._reader = reader
        self._gone_on_with = gone_on_with
        self._named = 0
        self._ended: Ended | None = None
        self._pace = Pace(session.limits, lambda: session.access.busy)
        self._ended_at = 0.0
        self.heard = False
        """It has said or done something."""
        self.cost = 0.0
        self.code = 0

    async def to_its_end(self, asked: Invocation, enough: Callable[[], TurnEnded | None]) -> Ended | None:
        """How it says that its turn ended; None: it does not say. Raises TurnEnded."""
        writing = asyncio.ensure_future(self._give(asked.stdin))
        try:
            await self._read(enough)
            self.code = await self._watched(asyncio.ensure_future(self._process.wait()), enough)
        except _Lingers:
            pass
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        self._take_all(self._reader.end(self.code))
        return self._ended

    async def _give(self, stdin: bytes) -> None:
        with suppress(OSError):  # a program that does not read it has reasons of its own
            await self._process.write(stdin)
            await self._process.close_input()

    async def _read(self, enough: Callable[[], TurnEnded | None]) -> None:
        lines = Lines()
        while data := await self._watched(asyncio.ensure_future(self._process.read(READ)), enough):
            if ended := enough() or self._pace.passed():  # who never pauses is looked at too
                raise ended
            self._pace.hear(len(data), data.count(b"\n"))
            for line in lines.feed(data):
                if line.startswith(self._reader.repeats):
                    self._pace.repeated(len(line))
                else:
                    self._take_all(self._reader.read(line))
            await asyncio.sleep(0)  # who floods us holds nobody else up
        for line in lines.end():
            self._take_all(self._reader.read(line))

    async def _watched(self, answer: "asyncio.Future[T]", enough: Callable[[], TurnEnded | None]) -> T:
        """What the process answers, unless a limit of the turn is passed before."""
        limits = self._session.limits
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=limits.poll)
                if not answer.done() and (ended := enough() or self._pace.passed()):
                    raise ended
                if not answer.done() and self._ended_at and time.monotonic() - self._ended_at > limits.linger:
                    raise _Lingers
            return answer.result()
        finally:
            answer.cancel()

    def _take_all(self, several: Iterable[ReaderUpdate]) -> None:
        for update in several:
            self._take(update)

    def _take(self, update: ReaderUpdate) -> None:
        session = self._session
        if isinstance(update, Ended):
            self._ended, self._ended_at = update, time.monotonic()
            return
        if isinstance(update, Session):
            self._named += 1
            if self._named <= MAX_NAMED:
                session.of(update, self._gone_on_with)
            return
        if isinstance(update, CostUpdate):
            self.cost, update = update.cost, session.added(update)
        elif isinstance(update, UsageUpdate):
            own = session.own(update, self._gone_on_with)
            if own is None:
                return
            update = own
        else:
            self.heard = True
            if not self._named and not names_sessions(session.parts.entry):
                self._take(Session(""))
        session.take(update)


class _Lingers(Exception):
    """It has said that its turn is over, and does not end."""


def _quoted(text: str) -> str:
    return clip(harmless_line(text), SAID)
