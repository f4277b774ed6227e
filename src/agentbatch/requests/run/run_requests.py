"""Running a prepared batch of plain requests: endpoint, journal, output and store put together."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor, shown_url
from agentbatch.requests.journal.output_file import OutputFile
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.report.progress import BatchProgress
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.run.assemble import (
    keep_source,
    new_processor,
    open_endpoint,
)
from agentbatch.requests.run.engine import RequestsEngine
from agentbatch.requests.run.failures import FailureWatch
from agentbatch.requests.run.journal_sync import finish_output, sync_journal
from agentbatch.requests.run.prepare import PreparedRequests
from agentbatch.requests.run.recording import Recording, as_ended
from agentbatch.requests.spec.input_file import read_requests
from agentbatch.requests.spec.result import BatchResult
from agentbatch.runs import events as e
from agentbatch.runs.open_files import open_files
from agentbatch.runs.services.notify_messages import request_failure_message
from agentbatch.runs.session import RunSession, open_session
from agentbatch.runs.store.store import Listener


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
    """It was stopped from outside, and something was left."""
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
    """Of a viewer. Each is called in the event loop and returns at once."""

    on_start: Callable[[RequestsEngine], None] | None = None
    """The run can be looked at, and stopped, from here on."""
    on_progress: Callable[[BatchProgress], None] | None = None
    on_failure: Callable[[BatchResult], None] | None = None
    listeners: Sequence[Listener] = ()
    """Of the store's events."""


async def run_requests(
    prepared: PreparedRequests, callbacks: Callbacks, *, flags: dict[str, object]
) -> RequestsOutcome:
    """Run a batch, or resume it. `flags`: the settings that the command line named, from which a resumption starts.

    Raises UserError before anything is spent; failures of requests are in the outcome.
    """
    redact = Redactor(prepared.settings.secrets)
    async with AsyncExitStack() as stack:
        stack.enter_context(open_files(prepared.options.concurrency, "--concurrency"))
        session = await stack.enter_async_context(
            open_session(
                prepared.folder,
                prepared.resumed,
                redact,
                listeners=callbacks.listeners,
                notify=prepared.settings.notify,
                alerts=prepared.settings.alert,
                environ=prepared.environ,
                metrics_port=prepared.settings.metrics_port,
                results=prepared.output,
            )
        )
        store = session.store
        source = keep_source(prepared, store)
        endpoint = await open_endpoint(prepared, store, stack)
        processor = new_processor(prepared, endpoint, store.folder.journal)
        output, recording, since = sync_journal(
            prepared, processor, store, source, prepared.options.retry_failed
        )
        stack.callback(output.close)
        engine = RequestsEngine(processor, store)
        store.emit(_started(prepared, processor, session, source, flags))
        recording.report()
        store.flush()
        if callbacks.on_start is not None:
            callbacks.on_start(engine)
        failures = FailureWatch(prepared.settings.max_failures)
        problem = await _run(
            prepared, processor, session, engine, output, recording, failures, callbacks, source
        )
        output.close()
        problem = problem or finish_output(
            prepared, store, recording, since, stopped=processor.stopped, path=output.path
        )
        figures = recording.report(worth_a_line=True)
        # A stop after everything was answered is not worth reporting.
        left = figures.total > figures.ok + figures.failed
        stopped = redact(problem or (processor.stopped if left else ""))
        interrupted = engine.interrupted and left and not problem
        store.emit(e.RunFinished(interrupted=interrupted, error="" if interrupted else stopped))
        session.flush()
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


async def _run(
    prepared: PreparedRequests,
    processor: BatchProcessor,
    session: RunSession,
    engine: RequestsEngine,
    output: OutputFile,
    recording: Recording,
    failures: FailureWatch,
    callbacks: Callbacks,
    source: Path,
) -> str:
    """The batch itself; why its files could not be written, as a sentence."""
    if engine.interrupted:  # by a signal that came early
        engine.over()
        return ""
    store = session.store

    def progress(progress: BatchProgress) -> None:
        recording.progress(progress)
        if callbacks.on_progress is not None:
            callbacks.on_progress(progress)

    processor.on_progress = progress
    processor.on_notice = lambda text: store.emit(e.Notice(text=text, warning=False))
    stream = processor.stream(read_requests(source), replay=False, total=prepared.total)
    try:
        async with session.serving(engine, engine), aclosing(stream) as results:
            async for result in results:
                output.add(result.line())
                recording.ended(ok=result.ok)
                if session.telemetry is not None and not result.cached:
                    session.telemetry.request_ended(as_ended(result))
                if result.error is not None:
                    session.notifier.first_failure(
                        partial(request_failure_message, store.state, result.id, result.status_code)
                    )
                    if callbacks.on_failure is not None:
                        callbacks.on_failure(result)
                if failures.add(result):
                    engine.abort(failures.cause)
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
    session: RunSession,
    source: Path,
    flags: dict[str, object],
) -> e.RunStarted:
    return e.RunStarted(
        **session.identity(),
        kind="requests",
        flags=flags,
        task_file=str(source.resolve()),
        output=str(prepared.output.resolve()),
        max_concurrent=prepared.options.concurrency,
        total_tasks=prepared.total,
        coder_model=processor.options.model,
        coder_endpoint=shown_url(processor.endpoint.base_url),
        judged=False,
        provider_batch=processor.provider is not None,
        rehearsal=prepared.settings.rehearsal,
    )
