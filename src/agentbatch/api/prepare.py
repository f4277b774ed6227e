"""Checking everything before a run: tasks, directories, agents, prompts, prices, sandbox, results file."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from agentbatch.agent.definition import CoderDefinition, EvaluatorDefinition, load_coder, load_evaluator
from agentbatch.agent.prompts import Prompts
from agentbatch.batch.estimate import LeastTokens, least_tokens
from agentbatch.batch.plan import Plan, make_plan
from agentbatch.batch.task import load_tasks
from agentbatch.config import (
    SERIAL_REST_MS,
    Mode,
    Settings,
)
from agentbatch.errors import UserError
from agentbatch.local.models_folder import find_model
from agentbatch.local.server_plan import ServerPlan, plan_server
from agentbatch.model.pricing import Prices
from agentbatch.model.usage import Usage
from agentbatch.store.documents import check_writable
from agentbatch.store.format import counted
from agentbatch.workspace.sandbox import SandboxChoice, choose_sandbox

RESULTS_FILES: Mapping[Mode, str] = {
    "serial": "batch_results.json",
    "parallel": "parallel_batch_results.json",
    "test": "test_results.json",
}
"""The original's names."""

LOOPBACK = "http://127.0.0.1"
"""Where a local model is served, before there is a port."""


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
    local: ServerPlan | None = None
    """The server of `--local`."""

    @property
    def judged(self) -> bool:
        """False: there is no evaluator, each task's own checks decide."""
        return self.settings.judge == "model"

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
    def own_files(self) -> tuple[Path, ...]:
        """What a next run would read from here."""
        names = ("agents", "prompts", self.settings.prices or "prices.toml")
        task_file = (self.folder / self.settings.tasks).resolve()
        return (*(self.folder / name for name in names), *self.env_files, task_file)

    @property
    def warnings(self) -> list[str]:
        above = [task.id for task in self.plan.tasks if self.folder.is_relative_to(task.root)]
        exposed = (
            f"The directory of {', '.join(above[:5])} holds this folder: the coder can change agents/, prompts/, .env "
            "and the task file, and with them the next run. Changes are reported; a dir of its own is safer."
            if above
            else ""
        )
        local = self.local.warning if self.local is not None else ""
        return [
            w
            for w in (*self.plan.warnings(), exposed, self.sandbox.warning, local, self._other_models())
            if w
        ]

    def _other_models(self) -> str:
        """Tasks that ask for a model which the local server does not have."""
        if self.local is None:
            return ""
        settings = self.settings
        others = [
            planned.id
            for planned in self.plan.tasks
            if (settings.coder_is_local and planned.task.coder_model)
            or (settings.evaluator_is_local and planned.task.evaluator_model)
        ]
        named = f"{', '.join(others[:5])}{' and others' if len(others) > 5 else ''}"
        return (
            f"Tasks with a model of their own get {self.local.name} all the same: {named}." if others else ""
        )

    def dry_run(self) -> "DryRun":
        """What this run would do, and the least that it takes."""
        evaluator = self.evaluator if self.judged else None
        least = least_tokens(self.plan.tasks, self.prompts, self.coder, evaluator)
        settings, at = self.settings, datetime.now(UTC)
        cost: float | None = None if settings.rehearsal else 0.0
        local = self.local.name if self.local is not None else ""
        for planned, tokens in zip(self.plan.tasks, least, strict=True):
            for model, url, count in (
                (
                    local if settings.coder_is_local else planned.task.coder_model or settings.coder_model,
                    LOOPBACK if settings.coder_is_local else settings.coder_endpoint,
                    tokens.coder,
                ),
                (
                    local
                    if settings.evaluator_is_local
                    else planned.task.evaluator_model or settings.evaluation_model,
                    LOOPBACK if settings.evaluator_is_local else settings.evaluation_base_url,
                    tokens.evaluator,
                ),
            ):
                if not count:
                    continue
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
    if settings.judge == "none":
        _check_verified(plan)
    coder, evaluator = load_coder(folder), load_evaluator(folder)
    prepared = PreparedRun(
        settings=settings,
        folder=folder,
        environ=dict(os.environ if environ is None else environ),
        mode=mode,
        plan=plan,
        coder=coder,
        evaluator=evaluator,
        prompts=Prompts(folder, coder.prompts, evaluator.prompts),
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
    return replace(prepared, local=_plan_local(prepared))


def _plan_local(prepared: PreparedRun) -> ServerPlan | None:
    """The server of `--local`, with a slot for each task that may run at the same time."""
    settings = prepared.settings
    if settings.local is None:
        return None
    if settings.judge == "none" and not settings.coder_is_local:
        raise UserError(
            "--local would play only the evaluator, and --evaluator none leaves that out: leave out one."
        )
    name, path = find_model(settings.local, prepared.folder, prepared.environ)
    slots = max(1, min(prepared.max_concurrent, len(prepared.plan.tasks)))
    return plan_server(path, name, slots, context=settings.local_context, threads=settings.local_threads)


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


def _check_verified(plan: Plan) -> None:
    """Without an evaluator, every task needs checks of its own."""
    bare = [task.id for task in plan.tasks if not task.task.verify]
    if bare:
        more = f" and {len(bare) - 5} more" if len(bare) > 5 else ""
        raise UserError(
            f"--evaluator none: verify alone decides, and it is missing in {counted(len(bare), 'task')}: "
            f"{', '.join(bare[:5])}{more}. Give each a `verify`, or leave the flag out."
        )


def _check_directories(plan: Plan) -> None:
    """Find out before the run whether every task's directory can be made and written to."""
    checked: set[Path] = set()
    for task in plan.tasks:
        try:
            existing = next(p for p in (task.root, *task.root.parents) if p.exists())
        except OSError as error:
            raise UserError(f"Task {task.id}: its dir cannot be made: {error}.") from None
        if task.root == Path("/"):
            raise UserError(f"Task {task.id}: its dir is /; give it a directory of its own.")
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
