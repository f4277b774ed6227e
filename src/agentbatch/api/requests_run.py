"""Running a prepared batch of plain requests: endpoint, journal, output and store put together."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentbatch import __version__
from agentbatch.api.endpoints import LEAST_POOL
from agentbatch.api.requests_engine import RequestsEngine
from agentbatch.api.requests_prepare import SPOOLED, PreparedRequests
from agentbatch.api.requests_recording import Recording
from agentbatch.api.take_up import seconds_at_work
from agentbatch.engine.control import Control
from agentbatch.errors import UserError
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.limits import EndpointLimits
from agentbatch.model.retry import RetryPolicy
from agentbatch.redaction import Redactor
from agentbatch.requests.cache import ResponseCache, cache_file
from agentbatch.requests.input_file import read_requests
from agentbatch.requests.journal import Journal
from agentbatch.requests.output_file import OutputFile, replace_lines
from agentbatch.requests.processor import BatchProcessor
from agentbatch.requests.progress import BatchProgress
from agentbatch.requests.result import BatchResult
from agentbatch.requests.stats import BatchStats
from agentbatch.store import events as e
from agentbatch.store.commands import CommandQueue
from agentbatch.store.run_folder import create_run_folder
from agentbatch.store.store import Listener, Store

REHEARSAL_IDENTITY = "rehearsal"
"""What the rehearsal server's answers are known under: its address is another each time."""

REHEARSAL_LATENCY = 0.05
"""Seconds."""

OUTAGE = 20
"""Requests that fail in a row for want of an answer, each after all its retries, before the batch stops."""


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
    stopped: str
    """Why it ended early, as a sentence; empty when it did not."""
    interrupted: bool
    """Somebody stopped it."""

    @property
    def exit_code(self) -> int:
        """0 all answered; 1 some not; 130 interrupted."""
        if self.stopped:
            return 130 if self.interrupted else 1
        return 1 if self.figures.failed else 0


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
        store = _open_store(prepared, redact)
        stack.callback(_forget_unless_begun, store)
        stack.push_async_callback(store.close)
        for listener in callbacks.listeners:
            store.listen(listener)
        source = _keep_source(prepared, store)
        endpoint = await _endpoint(prepared, redact, stack)
        processor = _processor(prepared, endpoint, store.folder.journal)
        output, recording, session = _take_up(prepared, processor, store, source, retry_failed)
        stack.callback(output.close)
        engine = RequestsEngine(processor, store)
        store.emit(_started(prepared, processor, store, source, flags))
        recording.tell()
        store.flush()
        if callbacks.on_start is not None:
            callbacks.on_start(engine)
        problem = await _run(prepared, processor, store, engine, output, recording, callbacks, source)
        output.close()
        problem = problem or _finish_output(prepared, store, recording, session, stopped=processor.stopped)
        stopped = problem or processor.stopped
        figures = recording.tell(worth_a_line=True)
        store.emit(
            e.RunFinished(interrupted=engine.interrupted, error="" if engine.interrupted else redact(stopped))
        )
        with contextlib.suppress(OSError):  # it is told already
            store.flush()
        return RequestsOutcome(
            processor.stats,
            figures,
            store.folder.path,
            prepared.options.output or prepared.output,
            processor.peak,
            redact(stopped),
            engine.interrupted,
        )


async def _run(
    prepared: PreparedRequests,
    processor: BatchProcessor,
    store: Store,
    engine: RequestsEngine,
    output: OutputFile,
    recording: Recording,
    callbacks: Callbacks,
    source: Path,
) -> str:
    """The batch itself; why its files could not be written, as a sentence."""

    def progress(progress: BatchProgress) -> None:
        recording.progress(progress)
        if callbacks.on_progress is not None:
            callbacks.on_progress(progress)

    processor.on_progress = progress
    unanswered = 0
    stream = processor.stream(read_requests(source), replay=False, total=prepared.total)
    try:
        async with _steered(store, engine), _watched(store, engine), aclosing(stream) as results:
            async for result in results:
                output.add(result.line())
                recording.ended(ok=result.ok)
                if result.error is not None and callbacks.on_failure is not None:
                    callbacks.on_failure(result)
                dead = result.error is not None and result.error.kind == "transient"
                unanswered = unanswered + 1 if dead else 0
                if unanswered == OUTAGE:
                    engine.give_up(
                        f"The endpoint cannot be reached: {OUTAGE} requests in a row got no answer."
                    )
    except OSError as error:
        return f"The batch's files cannot be written: {error.strerror or error}."
    except UserError as error:  # the input is not what was checked any more
        return str(error)
    finally:
        engine.over()
    return ""


def _open_store(prepared: PreparedRequests, redact: Redactor) -> Store:
    if prepared.resumed is not None:
        return Store(prepared.resumed, redact, resume=True)
    folder = create_run_folder(prepared.folder, datetime.now())
    try:
        return Store(folder, redact)
    except (OSError, sqlite3.Error) as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise UserError(f"The run's files cannot be written ({folder.path}): {error}.") from None


def _forget_unless_begun(store: Store) -> None:
    """Leave no trace of a run that was refused before it began."""
    if store.state.info is None:
        shutil.rmtree(store.folder.path, ignore_errors=True)


def _keep_source(prepared: PreparedRequests, store: Store) -> Path:
    """What came from standard input has its place in the run's folder, where a resumption finds it."""
    if not prepared.spooled:
        return prepared.source
    try:
        return Path(shutil.move(prepared.source, store.folder.path / SPOOLED))
    except OSError as error:
        raise UserError(f"{store.folder.path} cannot be written to: {error.strerror or error}.") from None


async def _endpoint(prepared: PreparedRequests, redact: Redactor, stack: AsyncExitStack) -> Endpoint:
    settings, options = prepared.settings, prepared.options
    role, identity = settings.coder, ""
    base_url = role.base_url
    if settings.rehearsal:
        from agentbatch.rehearsal.server import RehearsalServer  # brings a server: only when it is needed

        server = RehearsalServer(plain=True, latency=REHEARSAL_LATENCY, record=0)
        base_url, identity = (await stack.enter_async_context(server)).base_url, REHEARSAL_IDENTITY
    return await stack.enter_async_context(
        Endpoint(
            base_url,
            role.api_key.get_secret_value(),
            identity=identity,
            limits=EndpointLimits(options.concurrency, settings.rpm, settings.tpm, settings.throttle_ms),
            retry=RetryPolicy(max_retries=settings.max_retries, delay=settings.retry_delay),
            request_timeout=settings.request_timeout,
            pool=max(options.concurrency, LEAST_POOL),
            stream=False,
            redact=redact,
        )
    )


def _processor(prepared: PreparedRequests, endpoint: Endpoint, journal: Path) -> BatchProcessor:
    options, defaults = prepared.options, prepared.defaults
    return BatchProcessor(
        endpoint=endpoint,
        model=defaults.model,
        system=defaults.system,
        temperature=defaults.temperature,
        max_tokens=defaults.max_tokens,
        json_schema=defaults.json_schema,
        concurrency=options.concurrency,
        batch_size=options.batch_size,
        timeout=options.timeout,
        max_cost=options.max_cost,
        dedupe=options.dedupe,
        cache=ResponseCache(cache_file(prepared.environ)) if options.cache else None,
        journal=journal,
        prices=prepared.prices,
    )


def _take_up(
    prepared: PreparedRequests,
    processor: BatchProcessor,
    store: Store,
    source: Path,
    retry_failed: bool,
) -> tuple[OutputFile, Recording, int]:
    """The journal of a run that goes on is brought in line with the input, which may have changed, and the output with
    the journal. The number is that of the journal's session from which on it is."""
    with closing(Journal(store.folder.journal, dedupe=prepared.options.dedupe)) as journal:
        if retry_failed:
            journal.reopen("failed")
        if prepared.resumed is not None:
            identity = processor.endpoint.identity
            for place, request in enumerate(read_requests(source)):
                asked = processor.defaults.apply(request)
                journal.add(asked.id, asked.key(identity), place)
            journal.commit()
        known = journal.counts_since(journal.session)
        output = OutputFile(prepared.output, journal.answers_since(journal.session))
        recording = Recording(store, processor, prepared.total, journal.spent(), known["ok"], known["failed"])
        return output, recording, journal.session


def _finish_output(
    prepared: PreparedRequests, store: Store, recording: Recording, session: int, *, stopped: str
) -> str:
    """In the order of the input where that is wanted; whole where a call was cut off between its answer's being
    recorded and being told. Returns why it could not be written."""
    with closing(Journal(store.folder.journal)) as journal:
        known = journal.counts_since(session)
        whole = (known["ok"], known["failed"]) == (recording.ok, recording.failed)
        recording.ok, recording.failed = known["ok"], known["failed"]
        if whole and (stopped or not prepared.options.ordered):
            return ""
        try:
            replace_lines(prepared.output, journal.answers_since(session))
        except OSError as error:
            return f"{prepared.output} cannot be written: {error.strerror or error}."
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
        rehearsal=settings.rehearsal,
    )


@contextlib.asynccontextmanager
async def _steered(store: Store, engine: RequestsEngine) -> AsyncIterator[None]:
    """Commands from other processes reach the batch."""
    with closing(CommandQueue(store.folder.database)) as queue:
        control = asyncio.ensure_future(Control(queue, engine).run())
        try:
            yield
        finally:
            control.cancel()
            await asyncio.wait({control})


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
