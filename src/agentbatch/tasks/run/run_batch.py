"""Running a prepared batch: endpoints, store and engine put together, results written."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError, cannot_be
from agentbatch.files import PRIVATE, as_json, write_document
from agentbatch.gateway.gateway import Gateway
from agentbatch.redaction import Redactor, shown_url
from agentbatch.runs import events as e
from agentbatch.runs.folder import KEPT_TASKS
from agentbatch.runs.open_files import open_files
from agentbatch.runs.session import Engine, RunSession, open_session
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.store.store import Listener, Store
from agentbatch.spending.pricing import ComparisonRow, compare
from agentbatch.tasks.agents.role_models import RoleModelConfig, RunParts
from agentbatch.tasks.agents.tool_modes import ToolModes
from agentbatch.tasks.coders.coder import Coders
from agentbatch.tasks.evaluator.makers import BuiltinEvaluators, MakeEvaluators
from agentbatch.tasks.results.document import results_document
from agentbatch.tasks.run.assemble import make_engine
from agentbatch.tasks.run.ending.task_end import in_words
from agentbatch.tasks.run.endpoints import open_endpoints, start_local
from agentbatch.tasks.run.engine import TasksEngine
from agentbatch.tasks.run.prepare.images import with_images
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.prepare.recorded_settings import differences, recorded_flags, recorded_settings
from agentbatch.tasks.run.prepare.results_file import refuse_moved, refuse_turned_link
from agentbatch.tasks.run.resume.recovery import repair_run
from agentbatch.tasks.run.resume.resume import load_resume_plan
from agentbatch.tasks.run.steering import Steering
from agentbatch.tasks.run.workspaces.local import local_workspaces
from agentbatch.toolcalls.remembered import ToolModeMemory, memory_file
from agentbatch.workspace.workspace import Workspaces


@dataclass(frozen=True)
class RunOutcome:
    """A finished run."""

    # asyncio.run has its result written down twice, which takes a second with ten thousand tasks.
    state: RunState = field(repr=False)
    comparison: list[ComparisonRow]
    results_file: Path
    run_folder: Path
    exit_code: int
    """0 all completed; 1 some did not; 130 interrupted."""
    problem: str = ""
    """Why results could not be written, as a sentence; empty when they were."""


def workspaces_of(prepared: PreparedRun, store: Store) -> Workspaces:
    """Those of this machine, or of a cluster where one was chosen."""
    address = prepared.settings.cluster
    if not address:
        return local_workspaces(prepared, store)
    from agentbatch.tasks.run.workspaces.cluster import cluster_workspaces

    return cluster_workspaces(prepared, store, address)


async def run_batch(
    prepared: PreparedRun,
    *,
    listeners: Sequence[Listener] = (),
    on_start: Callable[[Engine], None] | None = None,
    open_workspaces: Callable[[PreparedRun, Store], Workspaces] = workspaces_of,
    make_coders: Callable[[RunParts], Coders] | None = None,
    make_evaluators: MakeEvaluators = BuiltinEvaluators,
) -> RunOutcome:
    """Run a batch and write its results. `on_start` is handed the engine, for `engine.signal()`.

    The three doors: `open_workspaces`, `make_coders`, `make_evaluators` say where the tasks work, who codes and who
    decides (workspace/workspace.py, tasks/coders/coder.py, tasks/evaluator/evaluator.py).

    Raises UserError before anything is spent; failures of tasks are in the outcome. Cancelled, it ends as one that is
    stopped at once, to be resumed, before the CancelledError is raised.
    """
    if make_coders is None and prepared.unplayable:
        raise UserError(prepared.unplayable)
    local_key = secrets.token_urlsafe(24) if prepared.local is not None else ""
    redact = Redactor([*prepared.secrets, local_key])
    async with AsyncExitStack() as stack:
        at_once = min(prepared.max_concurrent, len(prepared.plan.tasks))
        stack.enter_context(open_files(at_once, "--parallel"))
        session = await stack.enter_async_context(
            open_session(
                prepared.folder,
                prepared.resumed,
                redact,
                roots=[task.root for task in prepared.plan.tasks if task.changes_directory],
                listeners=listeners,
                notify=prepared.settings.notify,
                alerts=prepared.settings.alert,
                environ=prepared.environ,
                metrics_port=prepared.settings.metrics_port,
                results=prepared.results_file,
            )
        )
        store, before = session.store, session.before
        documents = ((store.folder.place / "results.json", PRIVATE), (prepared.results_file, 0o666))
        if prepared.given:
            prepared = await _with_kept_tasks(prepared, store)
        settings = {**recorded_settings(prepared.settings), "mode": prepared.mode}
        if before is not None:
            refuse_moved(before, settings, prepared.task_file)
            refuse_turned_link(before, settings, prepared.results_file)
        resume_plan = load_resume_plan(prepared, store)
        if session.was_killed:
            tasks = [*store.state.attempts.values(), *store.state.tasks.values()]
            await asyncio.to_thread(repair_run, store.folder, tasks, redact, prepared.results_file)
        prepared = await with_images(prepared, store)
        server = await start_local(prepared, store, local_key, stack)
        modes = ToolModes(
            prepared.settings.tool_mode,
            ToolModeMemory(memory_file(prepared.environ)),
            lambda text: store.emit(e.Notice(text=redact(text), warning=False)),
        )
        coder, evaluator, base_urls = await open_endpoints(prepared, store, server, modes, stack)
        workspaces = open_workspaces(prepared, store)
        stack.push_async_callback(_close, workspaces, store)
        gateway = Gateway()
        stack.push_async_callback(gateway.close)
        engine = make_engine(
            prepared,
            store,
            coder,
            evaluator,
            modes,
            resume_plan,
            workspaces,
            make_coders or prepared.coder.coders,
            make_evaluators,
            gateway,
        )
        started = _run_started(prepared, session, settings, coder, evaluator, base_urls)
        store.emit(started)
        if before is not None and (changed := differences(before, started.settings, started.prompts_digest)):
            text = f"Settings differ from those of the run so far; the new ones hold: {', '.join(changed)}."
            store.emit(e.Notice(text=text, warning=False))
        store.flush()  # From here on the run can be looked at.
        if on_start is not None:
            on_start(engine)
        try:
            async with (
                _watching(server.ended if server else None, engine),
                session.serving(engine, Steering(engine)),
            ):
                await engine.run()
        finally:  # also when cancelled: what was done is to be found where it always is
            session.flush()
            outcome = await _write_results(prepared, store, documents)
        return outcome


async def _with_kept_tasks(prepared: PreparedRun, store: Store) -> PreparedRun:
    """As if its tasks had been read from a task file, which lies in the run's folder: a resumption reads it."""
    document = as_json({"tasks": prepared.given}) + "\n"
    try:
        await write_document(store.folder.place / KEPT_TASKS, document, mode=PRIVATE, follow=False)
    except OSError as error:
        raise cannot_be("written", store.folder.place / KEPT_TASKS, error) from None
    place = (store.folder.path / KEPT_TASKS).relative_to(prepared.folder)
    settings = prepared.settings.model_copy(update={"tasks": place})
    return replace(prepared, settings=settings, flags={**prepared.flags, "tasks": str(place)})


async def _close(workspaces: Workspaces, store: Store) -> None:
    """All is done and written: what goes wrong here is said, and changes nothing."""
    (problem,) = await asyncio.gather(workspaces.close(), return_exceptions=True)
    if isinstance(problem, BaseException):
        text = f"The workspaces could not be closed: {in_words(problem)}"
        store.emit(e.Notice(text=store.redact(text)))


@contextlib.asynccontextmanager
async def _watching(ended: Callable[[], Awaitable[str]] | None, engine: TasksEngine) -> AsyncIterator[None]:
    """Stop the run when the local server has `ended` before it: no call can succeed any more."""
    if ended is None:
        yield
        return

    async def watch() -> None:
        engine.abort(await ended())

    watcher = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watcher.cancel()


def _run_started(
    prepared: PreparedRun,
    session: RunSession,
    settings: dict[str, Any],
    coder: RoleModelConfig,
    evaluator: RoleModelConfig,
    base_urls: tuple[str, str],
) -> e.RunStarted:
    return e.RunStarted(
        **session.identity(),
        settings=settings,
        flags=recorded_flags(prepared.flags, session.before),
        task_file=str(prepared.task_file),
        results=str(prepared.results_file),
        own_files=prepared.own_digests if prepared.exposed else {},
        mode=prepared.mode,
        max_concurrent=prepared.max_concurrent,
        total_tasks=len({*session.store.state.tasks, *(task.id for task in prepared.plan.tasks)}),
        coder_model=coder.model,
        coders=list(prepared.coders),
        own_models=list(prepared.own_models),
        evaluator_model=evaluator.model if prepared.judged else "none",
        coder_endpoint=shown_url(base_urls[0]) if prepared.coder_models else "",
        evaluator_endpoint=shown_url(base_urls[1]) if prepared.judged else "",
        judged=prepared.judged,
        rehearsal=prepared.rehearsal,
        sandbox=prepared.sandbox_name,
        cluster=prepared.cluster,
        prompts_digest=prepared.prompts.digest,
        warnings=list(prepared.warnings),
    )


async def _write_results(
    prepared: PreparedRun, store: Store, documents: Sequence[tuple[Path, int]]
) -> RunOutcome:
    state = store.state
    now = store.clock()
    comparison = compare(prepared.prices, state.usage, prepared.settings.compare_models, datetime.now(UTC))
    document = results_document(state, comparison, now)
    text = store.redact(as_json(document)) + "\n"
    problem = ""
    for path, mode in documents:
        try:
            await write_document(path, text, mode=mode, follow=False)
        except OSError as error:
            problem = f"The results could not be written to {path}: {error.strerror or error}."
    exit_code = state.exit_code or (1 if problem else 0)
    return RunOutcome(state, comparison, prepared.results_file, store.folder.path, exit_code, problem)
