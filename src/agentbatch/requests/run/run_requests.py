"""Running a prepared batch of plain requests: endpoint, journal, output and store put together."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from agentbatch import __version__
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.requests.journal.output_file import OutputFile
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.report.progress import BatchProgress
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.run.assemble import (
    forget_unless_begun,
    keep_source,
    new_processor,
    open_endpoint,
    open_store,
)
from agentbatch.requests.run.engine import RequestsEngine
from agentbatch.requests.run.failures import FailureWatch
from agentbatch.requests.run.files import finish_output, sync_journal
from agentbatch.requests.run.notify import RequestsNotifier
from agentbatch.requests.run.prepare import PreparedRequests
from agentbatch.requests.run.recording import Recording
from agentbatch.requests.spec.input_file import read_requests
from agentbatch.requests.spec.result import BatchResult
from agentbatch.runs import events as e
from agentbatch.runs.control.serve_commands import serve_commands
from agentbatch.runs.services.notify import Notifier
from agentbatch.runs.state import seconds_at_work
from agentbatch.runs.store.store import Listener, Store


@dataclass(frozen=True)
class RequestsOutcome:
    """A batch that has ended."""

    stats: BatchStats
    """Of this session."""
    figures: e.RequestsProgressed
    """Over all sessions."""
    run_folder: Path
    output: Path
    """As it was named."""
    peak: int
    """The most requests at once that the endpoint took."""
    ceiling: int
    """The most that were wanted at once, at the end."""
    stopped: str
    """Why it ended early, as a sentence; empty when it did not."""
    interrupted: bool
    """Somebody stopped it, and something was left."""
    provider_batch: bool = False
    """It went through the provider's batch service."""
    failures_ended_it: bool = False
    """It stopped early for what failed, which is worth asking again."""

    @property
    def exit_code(self) -> int:
        """0 all answered; 1 some not; 130 interrupted."""
        if self.interrupted:
            return 130
        return 1 if self.stopped or self.figures.failed or self.left else 0

    @property
    def left(self) -> int:
        """Requests that have not been answered, and have not failed either."""
        return self.figures.total - self.figures.ok - self.figures.failed


@dataclass
class Callbacks:
    """Who looks on. Each is called in the event loop and returns at once."""

    on_start: Callable[[RequestsEngine], None] | None = None
    """The run can be looked at, and stopped, from here on."""
    on_progress: Callable[[BatchProgress], None] | None = None
    on_failure: Callable[[BatchResult], None] | None = None
    listeners: Sequence[Listener] = ()
    """Of the store's events."""


async def run_requests(
    prepared: PreparedRequests, callbacks: Callbacks, *, retry_failed: bool = False, flags: dict[str, object]
) -> RequestsOutcome:
    """Run a batch, or go on with it. `flags`: what a resumption needs to know of the command line.

    Raises UserError before anything is spent; failures of requests are in the outcome.
    """
    redact = Redactor(prepared.settings.secrets)
    async with AsyncExitStack() as stack:
        store = open_store(prepared, redact)
        stack.callback(forget_unless_begun, store)
        stack.push_async_callback(store.close)
        for listener in callbacks.listeners:
            store.listen(listener)
        notifier = _notifier(prepared, store, stack)
        source = keep_source(prepared, store)
        endpoint = await open_endpoint(prepared, redact, stack)
        processor = new_processor(prepared, endpoint, store.folder.journal)
        output, recording, session = sync_journal(prepared, processor, store, source, retry_failed)
        stack.callback(output.close)
        engine = RequestsEngine(processor, store)
        store.emit(_started(prepared, processor, store, source, flags))
        recording.tell()
        store.flush()
        if callbacks.on_start is not None:
            callbacks.on_start(engine)
        failures = FailureWatch(prepared.settings.max_failures)
        callbacks = _also(callbacks, notifier)
        problem = await _run(
            prepared, processor, store, engine, output, recording, failures, callbacks, source
        )
        output.close()
        problem = problem or finish_output(prepared, store, recording, session, stopped=processor.stopped)
        figures = recording.tell(worth_a_line=True)
        # Stopped when everything had been answered: nobody has to know.
        left = figures.total > figures.ok + figures.failed
        stopped = redact(problem or (processor.stopped if left else ""))
        interrupted = engine.interrupted and left and not problem
        store.emit(e.RunFinished(interrupted=interrupted, error="" if interrupted else stopped))
        with contextlib.suppress(OSError):  # it is told already
            store.flush()
        return RequestsOutcome(
            processor.stats,
            figures,
            store.folder.path,
            prepared.options.output or prepared.output,
            processor.peak,
            processor.concurrency,
            stopped,
            interrupted,
            processor.provider is not None,
            bool(stopped) and not problem and failures.cause == processor.stopped,
        )


def _notifier(prepared: PreparedRequests, store: Store, stack: AsyncExitStack) -> RequestsNotifier | None:
    """Its messages are sent before the store ends; None: nobody is to be told."""
    if not prepared.settings.notify:
        return None
    sender = Notifier(prepared.settings.notify, store, prepared.output)
    stack.push_async_callback(sender.finish)
    notifier = RequestsNotifier(sender, store, prepared.output)
    store.listen(notifier)
    return notifier


def _also(callbacks: Callbacks, notifier: RequestsNotifier | None) -> Callbacks:
    """Failures are told to both."""
    if notifier is None:
        return callbacks
    first = callbacks.on_failure

    def failed(result: BatchResult) -> None:
        if first is not None:
            first(result)
        notifier.failed(result)

    return replace(callbacks, on_failure=failed)


async def _run(
    prepared: PreparedRequests,
    processor: BatchProcessor,
    store: Store,
    engine: RequestsEngine,
    output: OutputFile,
    recording: Recording,
    failures: FailureWatch,
    callbacks: Callbacks,
    source: Path,
) -> str:
    """The batch itself; why its files could not be written, as a sentence."""

    def progress(progress: BatchProgress) -> None:
        recording.progress(progress)
        if callbacks.on_progress is not None:
            callbacks.on_progress(progress)

    processor.on_progress = progress
    processor.on_notice = lambda text: store.emit(e.Notice(text=text, warning=False))
    stream = processor.stream(read_requests(source), replay=False, total=prepared.total)
    try:
        async with serve_commands(store, engine), _watched(store, engine), aclosing(stream) as results:
            async for result in results:
                output.add(result.line())
                recording.ended(ok=result.ok)
                if result.error is not None and callbacks.on_failure is not None:
                    callbacks.on_failure(result)
                if failures.add(result):
                    engine.give_up(failures.cause)
    except OSError as error:
        return f"The batch's files cannot be written: {error.strerror}." if error.strerror else str(error)
    except sqlite3.Error as error:
        return f"The batch's journal cannot be written: {error}."
    except UserError as error:  # the input is not what was checked any more
        return str(error)
    finally:
        engine.over()
    return ""


def _started(
    prepared: PreparedRequests,
    processor: BatchProcessor,
    store: Store,
    source: Path,
    flags: dict[str, object],
) -> e.RunStarted:
    before, settings = store.state.info, prepared.settings
    return e.RunStarted(
        run_id=store.folder.run_id,
        kind="requests",
        session=before.session + 1 if before else 1,
        seconds_before=seconds_at_work(store.state) if before else 0.0,
        flags=flags,
        task_file=str(source.resolve()),
        output=str(prepared.output.resolve()),
        version=__version__,
        mode="parallel",
        max_concurrent=prepared.options.concurrency,
        total_tasks=prepared.total,
        coder_model=processor.defaults.model,
        evaluator_model="none",
        coder_endpoint=processor.endpoint.base_url,
        evaluator_endpoint="",
        judged=False,
        provider_batch=processor.provider is not None,
        rehearsal=settings.rehearsal,
    )


@contextlib.asynccontextmanager
async def _watched(store: Store, engine: RequestsEngine) -> AsyncIterator[None]:
    """A run that cannot write its files stops: unrecorded work is money spent on nothing."""

    async def watch() -> None:
        engine.give_up(await store.failed())

    watcher = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watcher.cancel()
