"""Running a prepared batch: endpoints, store and engine put together, results written."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentbatch import __version__
from agentbatch.api.endpoints import open_endpoints, start_local
from agentbatch.api.prepare import PreparedRun
from agentbatch.api.tool_modes import ToolModes
from agentbatch.batch.context import RolePlayer, RunContext
from agentbatch.config import (
    secret_variables,
)
from agentbatch.engine.engine import Engine
from agentbatch.engine.local import LocalEngine
from agentbatch.local.server import LocalServer
from agentbatch.model.pricing import ComparisonRow, compare
from agentbatch.model.remembered import ToolModeMemory, memory_file
from agentbatch.redaction import Redactor
from agentbatch.store import events as e
from agentbatch.store.documents import as_json, write_document
from agentbatch.store.results import results_document
from agentbatch.store.run_folder import STATE_FOLDER, RunFolder, create_run_folder, refuse_overlap
from agentbatch.store.state import RunState
from agentbatch.store.store import Listener, Store
from agentbatch.tools.toolbox import select_tools, specs
from agentbatch.workspace.environment import shell_environment
from agentbatch.workspace.walls import covering


@dataclass(frozen=True)
class RunOutcome:
    """A finished run."""

    state: RunState
    comparison: list[ComparisonRow]
    results_file: Path
    run_folder: Path
    exit_code: int
    """0 all completed; 1 some did not; 130 interrupted."""
    problem: str = ""
    """Why results could not be written, as a sentence; empty when they were."""


async def run_batch(
    prepared: PreparedRun,
    *,
    listeners: Sequence[Listener] = (),
    on_start: Callable[[Engine], None] | None = None,
) -> RunOutcome:
    """Run a batch and write its results. `on_start` is handed the engine, for `engine.stop()`.

    Raises UserError before anything is spent; failures of tasks are in the outcome.
    """
    local_key = secrets.token_urlsafe(24)
    redact = Redactor([*prepared.settings.secrets, local_key])
    async with AsyncExitStack() as stack:
        roots = [task.root for task in prepared.plan.tasks]
        refuse_overlap(prepared.folder, roots)
        folder = create_run_folder(prepared.folder, datetime.now(), roots)
        store = Store(folder, redact)
        stack.push_async_callback(store.close)
        for listener in listeners:
            store.listen(listener)
        server = await start_local(prepared, store, local_key, stack)
        modes = ToolModes(
            prepared.settings.tool_mode,
            ToolModeMemory(memory_file(prepared.environ)),
            lambda text: store.emit(e.Notice(text=redact(text), warning=False)),
        )
        coder, evaluator, base_urls = await open_endpoints(prepared, store, server, modes, stack)
        engine = _make_engine(prepared, store, coder, evaluator, modes)
        store.emit(_run_started(prepared, folder, coder, evaluator, base_urls))
        if on_start is not None:
            on_start(engine)
        async with _watching(server, engine):
            await engine.run()
        return await _write_results(prepared, store)


def _make_engine(
    prepared: PreparedRun, store: Store, coder: RolePlayer, evaluator: RolePlayer, modes: ToolModes
) -> LocalEngine:
    environ = prepared.environ
    secret_names = secret_variables()
    engine: LocalEngine
    toolbox = select_tools(prepared.coder.tools, prepared.coder.limits.command_timeout)
    told = specs(toolbox)
    models = [coder.model, *(task.task.coder_model for task in prepared.plan.tasks if task.task.coder_model)]

    async def settle_tool_modes() -> None:
        if not prepared.settings.rehearsal:
            await modes.settle(coder.endpoint, models[:1] if coder.only_model else models, told)

    context = RunContext(
        store=store,
        coder=coder,
        evaluator=evaluator,
        coder_definition=prepared.coder,
        evaluator_definition=prepared.evaluator,
        toolbox=toolbox,
        specs=told,
        prompts=prepared.prompts,
        judged=prepared.judged,
        prices=prepared.prices,
        sandbox=prepared.sandbox,
        network=not prepared.settings.no_network,
        home=Path(environ.get("HOME") or Path.home()),
        environment=lambda extra: shell_environment(environ, extra, secret_names),
        hidden_dirs=(*covering(task.root for task in prepared.plan.tasks), prepared.folder / STATE_FOLDER),
        hidden_files=prepared.env_files,
        own_files=prepared.own_files,
        draining=lambda: engine.draining,
        stop_cause=lambda: engine.stop_cause,
    )
    engine = LocalEngine(
        context,
        prepared.plan,
        max_concurrent=prepared.max_concurrent,
        rest=prepared.rest,
        first=settle_tool_modes,
    )
    return engine


@contextlib.asynccontextmanager
async def _watching(server: LocalServer | None, engine: LocalEngine) -> AsyncIterator[None]:
    """Stop the run when the local server ends before it: no call can succeed any more."""
    if server is None:
        yield
        return

    async def watch() -> None:
        engine.abort(await server.ended())

    watcher = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watcher.cancel()


def _run_started(
    prepared: PreparedRun,
    folder: RunFolder,
    coder: RolePlayer,
    evaluator: RolePlayer,
    base_urls: tuple[str, str],
) -> e.RunStarted:
    return e.RunStarted(
        run_id=folder.run_id,
        version=__version__,
        mode=prepared.mode,
        max_concurrent=prepared.max_concurrent,
        total_tasks=len(prepared.plan.tasks),
        coder_model=coder.model,
        evaluator_model=evaluator.model if prepared.judged else "none",
        coder_endpoint=base_urls[0],
        evaluator_endpoint=base_urls[1] if prepared.judged else "",
        judged=prepared.judged,
        rehearsal=prepared.settings.rehearsal,
        sandbox=prepared.sandbox.name,
        prompts_digest=prepared.prompts.digest,
        warnings=prepared.warnings,
    )


async def _write_results(prepared: PreparedRun, store: Store) -> RunOutcome:
    # A failure has been noticed and told by the engine: what is known is written all the same.
    with contextlib.suppress(OSError):
        store.flush()
    state = store.state
    now = store.clock()
    comparison = compare(prepared.prices, state.usage, prepared.settings.compare_models, datetime.now(UTC))
    document = results_document(state, comparison, now)
    text = store.redact(as_json(document)) + "\n"
    problem = ""
    for path in (store.folder.path / "results.json", prepared.results_file):
        try:
            await write_document(path, text)
        except OSError as error:
            problem = f"The results could not be written to {path}: {error.strerror or error}."
    interrupted = bool(state.finished and state.finished.interrupted)
    all_completed = state.count("completed") == len(state.tasks)
    exit_code = 130 if interrupted and not all_completed else (0 if all_completed and not problem else 1)
    return RunOutcome(state, comparison, prepared.results_file, store.folder.path, exit_code, problem)
