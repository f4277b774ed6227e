"""Putting a run together: what the command line, the terminal app and Python users call.

import asyncio
import os
from agentbatch.api import prepare, run_batch
from agentbatch.config import load_settings

settings = load_settings({"mode": "parallel", "parallel": 3}, os.environ)
outcome = asyncio.run(run_batch(prepare(settings)))
print(outcome.state.count("completed"), outcome.results_file)
"""

import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentbatch import __version__
from agentbatch.agent.definition import CoderDefinition, EvaluatorDefinition, load_coder, load_evaluator
from agentbatch.agent.prompts import Prompts
from agentbatch.batch.context import RolePlayer, RunContext
from agentbatch.batch.estimate import LeastTokens, least_tokens
from agentbatch.batch.plan import Plan, make_plan
from agentbatch.batch.task import load_tasks
from agentbatch.config import (
    REHEARSAL_CODER,
    REHEARSAL_EVALUATOR,
    SERIAL_REST_MS,
    Mode,
    RoleSettings,
    Settings,
    secret_variables,
)
from agentbatch.engine.engine import Engine
from agentbatch.engine.local import LocalEngine
from agentbatch.errors import UserError
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.limits import EndpointLimits
from agentbatch.model.pricing import ComparisonRow, Prices, compare
from agentbatch.model.retry import RetryPolicy
from agentbatch.model.usage import Usage
from agentbatch.redaction import Redactor
from agentbatch.store import events as e
from agentbatch.store.documents import as_json, check_writable, write_document
from agentbatch.store.results import results_document
from agentbatch.store.run_folder import STATE_FOLDER, RunFolder, create_run_folder
from agentbatch.store.state import RunState
from agentbatch.store.store import Listener, Store
from agentbatch.tools.toolbox import select_tools, specs
from agentbatch.workspace.environment import shell_environment
from agentbatch.workspace.sandbox import SandboxChoice, choose_sandbox
from agentbatch.workspace.walls import covering

RESULTS_FILES: Mapping[Mode, str] = {
    "serial": "batch_results.json",
    "parallel": "parallel_batch_results.json",
    "test": "test_results.json",
}
"""The original's names."""

REHEARSAL_NOTICE = "rehearsal model: scripted replies, no AI"


@dataclass(frozen=True)
class PreparedRun:
    """Everything that could be checked before a run, checked. Making one spends nothing and writes nothing."""

    settings: Settings
    folder: Path
    """Where the command runs: results, .agentbatch, ./agents, ./prompts."""
    environ: Mapping[str, str]
    mode: Mode
    plan: Plan
    coder: CoderDefinition
    evaluator: EvaluatorDefinition
    prompts: Prompts
    prices: Prices
    sandbox: SandboxChoice
    env_files: tuple[Path, ...]

    @property
    def max_concurrent(self) -> int:
        return 1 if self.mode == "serial" else self.settings.parallel

    @property
    def rest(self) -> float:
        """Seconds between two task starts."""
        default = SERIAL_REST_MS if self.mode == "serial" else 0
        return (self.settings.rest_ms if self.settings.rest_ms is not None else default) / 1000

    @property
    def results_file(self) -> Path:
        return (self.folder / (self.settings.output or RESULTS_FILES[self.mode])).absolute()

    @property
    def warnings(self) -> list[str]:
        return [w for w in (*self.plan.warnings(), self.sandbox.warning) if w]

    def dry_run(self) -> "DryRun":
        """What this run would do, and the least that it takes."""
        least = least_tokens(self.plan.tasks, self.prompts, self.coder, self.evaluator)
        settings, at = self.settings, datetime.now(UTC)
        cost: float | None = None if settings.rehearsal else 0.0
        for planned, tokens in zip(self.plan.tasks, least, strict=True):
            for model, url, count in (
                (planned.task.coder_model or settings.coder_model, settings.coder_endpoint, tokens.coder),
                (
                    planned.task.evaluator_model or settings.evaluation_model,
                    settings.evaluation_base_url,
                    tokens.evaluator,
                ),
            ):
                price = self.prices.price(model, Usage(input=count, calls=1), at, base_url=url)
                cost = None if cost is None or price is None else cost + price.total
        return DryRun(self, least, cost)


@dataclass(frozen=True)
class DryRun:
    """A plan with the least it takes: each task's first coder call and first evaluation, prompts only."""

    prepared: PreparedRun
    least: list[LeastTokens]
    """One entry a task, in order."""
    least_cost: float | None
    """US dollars; None when a model's price is unknown."""


@dataclass(frozen=True)
class RunOutcome:
    """A finished run."""

    state: RunState
    comparison: list[ComparisonRow]
    results_file: Path
    run_folder: Path
    exit_code: int
    """0 all completed; 1 some did not; 130 interrupted."""


def prepare(
    settings: Settings,
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
) -> PreparedRun:
    """Check everything. Raises UserError for the first thing that a person has to mend."""
    folder = (folder or Path.cwd()).resolve()
    mode: Mode = settings.mode or "parallel"
    task_file = folder / settings.tasks
    plan = make_plan(
        load_tasks(task_file),
        task_file,
        max_iterations=settings.max_iterations,
        timeout=settings.timeout,
        first_only=mode == "test",
        pattern=settings.filter,
    )
    _check_directories(plan)
    coder, evaluator = load_coder(folder), load_evaluator(folder)
    prepared = PreparedRun(
        settings=settings,
        folder=folder,
        environ=dict(os.environ if environ is None else environ),
        mode=mode,
        plan=plan,
        coder=coder,
        evaluator=evaluator,
        prompts=Prompts(folder, coder.prompt, evaluator.prompt),
        prices=_load_prices(settings, folder),
        sandbox=choose_sandbox(settings.sandbox),
        env_files=tuple(
            dict.fromkeys(
                f.absolute()
                for f in (folder / (env_file or ".env"), folder / ".env", task_file.parent / ".env")
            )
        ),
    )
    if settings.no_network and prepared.sandbox.name == "none":
        raise UserError(f"--no-network needs the sandbox. {prepared.sandbox.warning}".rstrip())
    check_writable(prepared.results_file)
    return prepared


async def run_batch(
    prepared: PreparedRun,
    *,
    listeners: Sequence[Listener] = (),
    on_start: Callable[[Engine], None] | None = None,
) -> RunOutcome:
    """Run a batch and write its results. `on_start` is handed the engine, for `engine.stop()`.

    Raises UserError before anything is spent; failures of tasks are in the outcome.
    """
    redact = Redactor(prepared.settings.secrets)
    async with AsyncExitStack() as stack:
        folder = create_run_folder(prepared.folder, datetime.now())
        store = Store(folder, redact)
        stack.push_async_callback(store.close)
        for listener in listeners:
            store.listen(listener)
        coder, evaluator, base_urls = await _open_endpoints(prepared, store, stack)
        engine = _make_engine(prepared, store, coder, evaluator)
        store.emit(_run_started(prepared, folder, coder, evaluator, base_urls))
        if on_start is not None:
            on_start(engine)
        await engine.run()
        return await _write_results(prepared, store)


def _make_engine(
    prepared: PreparedRun, store: Store, coder: RolePlayer, evaluator: RolePlayer
) -> LocalEngine:
    environ = prepared.environ
    secret_names = secret_variables()
    engine: LocalEngine
    toolbox = select_tools(prepared.coder.tools, prepared.coder.limits.command_timeout)
    context = RunContext(
        store=store,
        coder=coder,
        evaluator=evaluator,
        coder_definition=prepared.coder,
        evaluator_definition=prepared.evaluator,
        toolbox=toolbox,
        specs=specs(toolbox),
        prompts=prepared.prompts,
        prices=prepared.prices,
        sandbox=prepared.sandbox,
        network=not prepared.settings.no_network,
        home=Path(environ.get("HOME") or Path.home()),
        environment=lambda extra: shell_environment(environ, extra, secret_names),
        hidden_dirs=(*covering(task.root for task in prepared.plan.tasks), prepared.folder / STATE_FOLDER),
        hidden_files=prepared.env_files,
        draining=lambda: engine.draining,
    )
    engine = LocalEngine(context, prepared.plan, max_concurrent=prepared.max_concurrent, rest=prepared.rest)
    return engine


async def _open_endpoints(
    prepared: PreparedRun, store: Store, stack: AsyncExitStack
) -> tuple[RolePlayer, RolePlayer, tuple[str, str]]:
    """Both roles' endpoints: one shared when they are the same, the rehearsal server when there is no key."""
    settings = prepared.settings
    roles = (settings.coder, settings.evaluator)
    if settings.rehearsal:
        from agentbatch.rehearsal.library import sample_scripts  # brings aiohttp: only when it is needed
        from agentbatch.rehearsal.server import RehearsalServer

        server = await stack.enter_async_context(RehearsalServer(sample_scripts()))
        roles = (
            RoleSettings(model=REHEARSAL_CODER, base_url=server.base_url, api_key=roles[0].api_key),
            RoleSettings(model=REHEARSAL_EVALUATOR, base_url=server.base_url, api_key=roles[1].api_key),
        )
    endpoints: dict[tuple[str, str], Endpoint] = {}
    players: list[RolePlayer] = []
    for name, role in zip(("coder", "evaluator"), roles, strict=True):
        key = (role.base_url, role.api_key.get_secret_value())
        if key not in endpoints:
            endpoints[key] = await stack.enter_async_context(_endpoint(prepared, *key, store))
        players.append(
            RolePlayer(
                "coder" if name == "coder" else "evaluator",
                endpoints[key],
                role.model,
                None if settings.rehearsal else role.base_url,
            )
        )
    return players[0], players[1], (roles[0].base_url, roles[1].base_url)


def _endpoint(prepared: PreparedRun, base_url: str, api_key: str, store: Store) -> Endpoint:
    settings = prepared.settings
    in_flight = settings.max_in_flight or prepared.max_concurrent
    return Endpoint(
        base_url,
        api_key or "none",
        limits=EndpointLimits(
            max_in_flight=in_flight, rpm=settings.rpm, tpm=settings.tpm, throttle_ms=settings.throttle_ms
        ),
        retry=RetryPolicy(max_retries=settings.max_retries, delay=settings.retry_delay),
        request_timeout=settings.request_timeout,
        pool=in_flight,
        redact=store.redact,
        on_learnt=lambda sentence: store.emit(e.Notice(text=sentence)),
    )


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
        evaluator_model=evaluator.model,
        coder_endpoint=_without_password(base_urls[0]),
        evaluator_endpoint=_without_password(base_urls[1]),
        rehearsal=prepared.settings.rehearsal,
        sandbox=prepared.sandbox.name,
        prompts_digest=prepared.prompts.digest,
        warnings=prepared.warnings,
    )


async def _write_results(prepared: PreparedRun, store: Store) -> RunOutcome:
    store.flush()
    state = store.state
    now = store.clock()
    comparison = compare(prepared.prices, state.usage, prepared.settings.compare_models, datetime.now(UTC))
    document = results_document(state, comparison, now)
    text = store.redact(as_json(document)) + "\n"
    await write_document(store.folder.path / "results.json", text)
    await write_document(prepared.results_file, text)
    interrupted = bool(state.finished and state.finished.interrupted)
    all_completed = state.count("completed") == len(state.tasks)
    exit_code = 130 if interrupted and not all_completed else (0 if all_completed else 1)
    return RunOutcome(state, comparison, prepared.results_file, store.folder.path, exit_code)


def _load_prices(settings: Settings, folder: Path) -> Prices:
    own = folder / (settings.prices or "prices.toml")
    if settings.prices is not None and not own.is_file():
        raise UserError(f"--prices: there is no file {own}.")
    prices = Prices.load(own if own.is_file() else None)
    for name in settings.compare_models:
        if not prices.known(name):
            near = prices.nearest(name)
            hint = f"did you mean {near!r}?" if near else "add it to prices.toml."
            raise UserError(f"--compare-models: no price is known for {name!r}; {hint}")
    return prices


def _check_directories(plan: Plan) -> None:
    """Find out before the run whether every task's directory can be made and written to."""
    checked: set[Path] = set()
    for task in plan.tasks:
        existing = next(p for p in (task.root, *task.root.parents) if p.exists())
        if existing in checked:
            continue
        checked.add(existing)
        if not existing.is_dir():
            raise UserError(f"Task {task.id}: its dir {task.root} cannot be made: {existing} is a file.")
        try:
            with tempfile.TemporaryDirectory(prefix=".agentbatch-", dir=existing):
                pass
        except OSError as error:
            raise UserError(
                f"Task {task.id}: its dir {task.root} cannot be made or written to: "
                f"{existing}: {error.strerror or error}."
            ) from None


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)
