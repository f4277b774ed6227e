"""Commands of other processes on their way to the engine: looked for, checked, carried out, answered."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.errors import UserError
from agentbatch.problems import first_problem
from agentbatch.runs import events as e
from agentbatch.runs.control.commands import Answer, Command, CommandQueue
from agentbatch.runs.control.user_message import MAX_BY, MAX_TOKEN, UserMessage, readable
from agentbatch.runs.kind import MAX_REQUESTS_AT_ONCE
from agentbatch.runs.store.store import Store
from agentbatch.text import clip

LOOK_EVERY = 0.25
"""Seconds between two looks for commands: what a person takes for at once."""


class Controllable(Protocol):
    """What commands can do with an engine. Each method returns the sentence that says what happened, and raises
    UserError for what cannot be. `task_id` None means the whole run."""

    def stop(self, now: bool) -> str: ...

    def pause(self, task_id: str | None) -> str: ...

    def unpause(self, task_id: str | None) -> str: ...

    def cancel_task(self, task_id: str) -> str: ...

    def retry_task(self, task_id: str) -> str: ...

    def say(self, task_id: str | None, message: UserMessage) -> str: ...

    def visit(self, task_id: str) -> str: ...

    def set_concurrency(self, number: int) -> str: ...


class _Request(BaseModel):
    """The arguments of a command: any process of this user may have written them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    def do(self, engine: Controllable) -> str:
        raise NotImplementedError


class _Stop(_Request):
    now: bool = False

    def do(self, engine: Controllable) -> str:
        return engine.stop(self.now)


class _Pause(_Request):
    task: str | None = None

    def do(self, engine: Controllable) -> str:
        return engine.pause(self.task)


class _Unpause(_Request):
    task: str | None = None

    def do(self, engine: Controllable) -> str:
        return engine.unpause(self.task)


class _Cancel(_Request):
    task: str

    def do(self, engine: Controllable) -> str:
        return engine.cancel_task(self.task)


class _Retry(_Request):
    task: str

    def do(self, engine: Controllable) -> str:
        return engine.retry_task(self.task)


class _Say(_Request):
    task: str | None = None
    text: str
    by: str = ""
    token: str = ""

    def do(self, engine: Controllable) -> str:
        return engine.say(
            self.task, UserMessage(readable(self.text), clip(self.by, MAX_BY), self.token[:MAX_TOKEN])
        )


class _Visit(_Request):
    task: str

    def do(self, engine: Controllable) -> str:
        return engine.visit(self.task)


class _SetConcurrency(_Request):
    number: int = Field(ge=1, le=MAX_REQUESTS_AT_ONCE)

    def do(self, engine: Controllable) -> str:
        return engine.set_concurrency(self.number)


_REQUESTS: Mapping[str, type[_Request]] = {
    "stop": _Stop,
    "pause": _Pause,
    "unpause": _Unpause,
    "resume-paused": _Unpause,  # of earlier versions
    "cancel": _Cancel,
    "retry": _Retry,
    "say": _Say,
    "visit": _Visit,
    "set-concurrency": _SetConcurrency,
}


class Control:
    """Carries out what comes up in the queue, in its order. `flush` stores what a command changed before it is
    answered, so that whoever has the answer sees the change; it raises OSError when nothing can be written."""

    def __init__(self, queue: CommandQueue, engine: Controllable, flush: Callable[[], None]) -> None:
        self._queue = queue
        self._engine = engine
        self._flush = flush

    async def run(self) -> None:
        """Look for commands until cancelled."""
        while True:
            # A database that is busy or full now is looked into again; a run that cannot write ends by itself.
            with contextlib.suppress(sqlite3.Error):
                self.look()
            await asyncio.sleep(LOOK_EVERY)

    def look(self) -> None:
        """Carry out what has come up since the last look. Raises sqlite3.Error."""
        for command in self._queue.new():
            answer = carry_out(command, self._engine)
            try:
                self._flush()
            except OSError as error:  # the run ends by itself; what is not stored has not happened
                answer = Answer(False, str(error))
            self._queue.answer(command.id, answer)


def carry_out(command: Command, engine: Controllable) -> Answer:
    """Do what a command asks for; a refusal is an answer too."""
    try:
        return Answer(True, _parsed(command).do(engine))
    except UserError as error:
        return Answer(False, str(error))


def _parsed(command: Command) -> _Request:
    kind = _REQUESTS.get(command.name)
    if kind is None:
        raise UserError(f"The engine knows no command {clip(command.name, 60)!r}: {', '.join(_REQUESTS)}.")
    try:
        return kind.model_validate_json(command.arguments)
    except ValidationError as error:
        problem = first_problem(error)
        raise UserError(
            f"The command {command.name} cannot be understood: {clip(problem.name, 60) or 'arguments'}: "
            f"{clip(problem.told(), 200)}."
        ) from None


@asynccontextmanager
async def serve_commands(store: Store, engine: Controllable) -> AsyncIterator[None]:
    """`stop`, `pause` and the like are carried out on `engine` for as long as this lasts."""
    with closing(CommandQueue(store.folder.database, store.redact)) as queue:
        control = asyncio.ensure_future(Control(queue, engine, store.flush).run())

        def ended(control: "asyncio.Future[None]") -> None:
            error = None if control.cancelled() else control.exception()
            if error is not None:  # a bug of ours must not end the run
                store.emit(e.Notice(text=store.redact(f"Commands are not taken any more: {error!r}")))

        control.add_done_callback(ended)
        try:
            yield
        finally:
            control.cancel()
            await asyncio.wait({control})
