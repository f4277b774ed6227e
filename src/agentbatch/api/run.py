"""A run of tasks as Python has it: what happens in it, how it stands, what came of it, and commands to it."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agentbatch.api.result import Progress, RunResult
from agentbatch.api.settings import given_settings
from agentbatch.cancellation import to_the_end
from agentbatch.config import load
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.control.commands import send_command
from agentbatch.runs.control.user_message import say_arguments
from agentbatch.runs.events import Event
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.listing import find_run, recorded, require_tasks, run_info
from agentbatch.runs.listing import open_run as read_run
from agentbatch.runs.session import Engine
from agentbatch.runs.store.database import load_events, reading
from agentbatch.tasks.coders.python import MakeCoder
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.run_batch import RunOutcome, run_batch
from agentbatch.text import clip

EVENTS_AT_ONCE = 200
"""Read from the run's database in one go, in a thread: some 8 ms."""
LOOK_EVERY = 0.2
"""Seconds between two looks for events: the engine commits as often."""


class Run:
    """A run of tasks, wherever its engine works, and also when none does any more.

    Everything is read from the run's folder, where any number may read, as late and as slowly as they like; and what it
    is asked for goes the way of `agentbatch stop` and the like.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder.path
        self.id = folder.run_id
        self._folder = folder

    @property
    def alive(self) -> bool:
        """An engine works on it."""
        return bool(holder(self._folder))

    def __repr__(self) -> str:
        return f"<Run {clip(self.id, 60)} in {clip(str(self.folder.parent), 200)}>"

    def _repr_html_(self) -> str:
        """How it stands when it is shown."""
        try:
            return self.progress()._repr_html_()
        except UserError as error:
            return f"<p>{escape(clip(str(error), 500))}</p>"

    def progress(self) -> Progress:
        """How it stands now. Raises UserError where its files cannot be read."""
        return Progress.of(read_run(self._folder, outline=False), time.time())

    async def events(self) -> AsyncGenerator[Event, None]:
        """All events that are stored of it, from its first, and then as they come up, until its engine has ended."""
        seen = 0
        while True:
            alive = self.alive  # before the look: what an engine wrote last is found after its end
            found = await asyncio.to_thread(self._events, seen)
            for event in found:
                seen = event.seq
                yield event
            if not found:
                if not alive:
                    return
                await asyncio.sleep(LOOK_EVERY)

    def _events(self, after: int) -> list[Event]:
        with reading(self._folder.database) as connection:
            return load_events(connection, after, EVENTS_AT_ONCE)

    async def states(self, interval: float = 0.5) -> AsyncGenerator[Progress, None]:
        """How it stands, every `interval` seconds, and at its end; less often where a run is so large that reading it
        would take a tenth of the time."""
        while True:
            alive, begun = self.alive, time.monotonic()
            progress = await asyncio.to_thread(self.progress)
            took = time.monotonic() - begun
            yield progress
            if not alive:
                return
            await asyncio.sleep(max(interval, 10 * took))

    async def result(self) -> RunResult:
        """What came of it, once its engine has ended."""
        while self.alive:  # noqa: ASYNC110 - an engine of another process
            await asyncio.sleep(LOOK_EVERY)
        return RunResult.of(read_run(self._folder, outline=False), time.time())

    async def stop(self, *, now: bool = False) -> str:
        """Start nothing more; tasks under way end after their iteration, or `now`. It can be resumed."""
        return await self._command("stop", now=now)

    async def pause(self, task: str | None = None) -> str:
        """No model call begins until `unpause`: of this task, or of all."""
        return await self._command("pause", task=task)

    async def unpause(self, task: str | None = None) -> str:
        """What was paused goes on."""
        return await self._command("unpause", task=task)

    async def cancel_task(self, task: str) -> str:
        """End a task; it is not resumed."""
        return await self._command("cancel", task=task)

    async def retry(self, task: str) -> str:
        """Run a task that is over again, from its start."""
        return await self._command("retry", task=task)

    async def set_parallel(self, number: int) -> str:
        """So many tasks at a time from now on."""
        return await self._command("set-concurrency", number=number)

    async def say(self, task: str | None, text: str) -> str:
        """Words for a task's coder (None: for all that are not over), which it is told before its next model call."""
        return await self._command("say", **say_arguments(task, text, self._redact()))

    def _redact(self) -> Redactor:
        """Hides the keys of this process; those of the run, its engine hides."""
        return Redactor(load({}, os.environ, None, self.folder.resolve().parents[2]).settings.secrets)

    def resume(
        self,
        *,
        retry_failed: bool = False,
        reason: Sequence[str] = (),
        force: bool = False,
        environ: Mapping[str, str] | None = None,
        env_file: str | os.PathLike[str] | None = None,
        coders: Mapping[str, MakeCoder] | None = None,
        **settings: Any,
    ) -> "Starting":
        """Go on with a run on which no engine works: like Batch.start(), and the rest as Batch takes it. What is not
        given is as the run was started, but for keys and own coders. `retry_failed`: run failed tasks again; `reason`:
        those alone that ended with one of these; `force`: all. Raises UserError."""
        reasons = (reason,) if isinstance(reason, str) else tuple(reason)
        again = {"resume": True, "retry_failed": retry_failed, "reason": reasons, "force": force}
        given = {**given_settings(settings), **again}
        return Starting(lambda: _prepare_again(self._folder, given, environ, env_file, dict(coders or {})))

    async def _command(self, name: str, **arguments: object) -> str:
        """The engine's answer, a sentence. Raises UserError with it where nothing was done."""
        given = {key: value for key, value in arguments.items() if value is not None}
        answer = await asyncio.to_thread(send_command, self._folder, name, given)
        if not answer.ok:
            raise UserError(answer.text)
        return answer.text


class RunningBatch(Run):
    """A run whose engine works in this event loop."""

    def __init__(self, folder: RunFolder, task: "asyncio.Task[RunOutcome]", redact: Redactor) -> None:
        super().__init__(folder)
        self._task = task
        self._own = redact

    def _redact(self) -> Redactor:
        return self._own

    @classmethod
    async def start(cls, prepared: PreparedRun) -> Self:
        """Returns once there is a run. Raises UserError."""
        started: asyncio.Future[Path] = asyncio.get_running_loop().create_future()

        def begun(engine: Engine) -> None:
            if not started.done():
                started.set_result(engine.run_folder)

        task = asyncio.create_task(run_batch(prepared, on_start=begun), name="agentbatch run")
        try:
            first: set[asyncio.Future[Any]] = {task, started}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await _cancel(task)
            raise
        if not started.done():
            await task
        return cls(RunFolder(started.result()), task, Redactor(prepared.settings.secrets))

    async def result(self) -> RunResult:
        """What came of it, once it has ended. Cancelled meanwhile, the run is stopped at once and can be resumed."""
        outcome = await self._task
        return replace(await super().result(), problem=outcome.problem)

    async def cancel(self) -> None:
        """Stop it at once, and wait until nothing of it is at work any more. It can be resumed."""
        await _cancel(self._task)


def _prepare_again(
    folder: RunFolder,
    given: Mapping[str, Any],
    environ: Mapping[str, str] | None,
    env_file: str | os.PathLike[str] | None,
    coders: Mapping[str, MakeCoder],
) -> PreparedRun:
    info = recorded(folder)
    base = folder.path.resolve().parents[2]
    flags = {**info.flags, **given}
    if env_file is not None:
        flags["env_file"] = os.fspath(env_file)
    named = base / flags["env_file"] if "env_file" in flags else None
    own = dict(os.environ if environ is None else environ)
    settings = load({k: v for k, v in flags.items() if k != "env_file"}, own, named, base).settings
    return prepare(
        settings, folder=base, environ=own, env_file=named, flags=flags, resume=folder, coders=coders
    )


async def _cancel(task: "asyncio.Task[RunOutcome]") -> None:
    task.cancel()
    await to_the_end(_over(task))


async def _over(task: "asyncio.Task[RunOutcome]") -> None:
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # whoever waits for its result is told; it is no news to the event loop


class Starting:
    """A run that is about to start. With `async with` it ends where the block does: its end is waited for, or, when
    the block is left by an exception, it is stopped at once and can be resumed."""

    def __init__(self, prepare: Callable[[], PreparedRun]) -> None:
        """`prepare`: checks, in a thread, what is to be started. Raises UserError."""
        self._prepare = prepare
        self._run: RunningBatch | None = None

    def __await__(self) -> Generator[Any, None, Run]:
        return self._begin().__await__()

    async def result(self) -> RunResult:
        """Start it, and wait for its end. Cancelled, it is stopped at once and can be resumed."""
        async with self as run:
            return await run.result()

    async def _begin(self) -> "RunningBatch":
        if self._run is not None:
            raise UserError("It was started before: call start() for each run.")
        self._run = await RunningBatch.start(await asyncio.to_thread(self._prepare))
        return self._run

    async def __aenter__(self) -> Run:
        return await self._begin()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._run is not None
        if kind is None:
            await self._run.result()
        else:
            await self._run.cancel()


def open_run(run: str | None = None, folder: str | os.PathLike[str] = ".") -> Run:
    """A run of `folder`: by its id, how that begins, or its own folder; None: the newest. Raises UserError."""
    found = find_run(Path(folder).resolve(), run)
    require_tasks(run_info(found), found.run_id)
    return Run(found)
