"""A run with everything checked that could be, and what it would do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentbatch.config import BUILTIN, REHEARSAL_CODERS, SERIAL_REST_MS, Mode, Settings
from agentbatch.config.contestants import workers
from agentbatch.runs.folder import RunFolder, is_kept
from agentbatch.spending.pricing import Prices
from agentbatch.tasks.agents.definition import DEFAULT_CONTEXT_WINDOW, EvaluatorDefinition
from agentbatch.tasks.agents.project import ProjectFile
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.kind import CoderKind
from agentbatch.tasks.run.prepare.context import expected_project, not_included
from agentbatch.tasks.run.prepare.estimate import LeastTokens, least_tokens
from agentbatch.tasks.run.prepare.own_files import digests
from agentbatch.tasks.run.prepare.servers import server_secrets
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import list_names
from agentbatch.usage import Usage
from agentbatch.workspace.preparation import ENGINES, SandboxChoice
from agentbatch.workspace.workspace import Image

if TYPE_CHECKING:
    from agentbatch.local.server_plan import ServerPlan
    from agentbatch.workspace.images import AvailableImage, Engine

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
    coder: CoderKind
    evaluator: EvaluatorDefinition
    prompts: Prompts
    prices: Prices
    sandbox: SandboxChoice
    env_files: tuple[Path, ...]
    results_file: Path
    """Every link in it was followed before the run: one that a coder plants later is not."""
    engine: "Engine | None" = None
    """Of containers; None: no task has an image."""
    programs: Mapping[str, str] = field(default_factory=dict)
    """Of coders that are opened, by the coder's name."""
    images: "Mapping[Image, AvailableImage]" = field(default_factory=dict)
    """Of the tasks, once they are had."""
    local: "ServerPlan | None" = None
    """The server of `--local`."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """The settings that came from the command line, as a resumption needs them."""
    resumed: RunFolder | None = None
    """The run that is resumed; None: a new one."""
    above: Mapping[Path, Mapping[str, ProjectFile]] = field(default_factory=dict)
    """By a task's directory, the project's rules in the folders above it."""
    coders: tuple[str, ...] = (BUILTIN,)
    """Names of all that may work on a task, the run's own first."""
    own_models: tuple[str, ...] = ()
    """Coders that call their models themselves, by name."""
    repositories: Mapping[Path, Path] = field(default_factory=dict)
    """The git repository of each directory whose tasks get worktrees, settled before anything runs."""
    given: tuple[Mapping[str, Any], ...] = ()
    """Entries that stand in no task file: the run keeps them in its folder."""
    warnings: tuple[str, ...] = ()
    """What the user may not expect, a sentence each."""

    @property
    def judged(self) -> bool:
        """False: there is no evaluator, each task's verify decides."""
        return self.settings.judge == "model"

    @property
    def secrets(self) -> list[str]:
        """Everything that is to be redacted."""
        servers = (server for task in self.plan.tasks for server in task.servers.values())
        return [*self.settings.secrets, *server_secrets(servers)]

    @property
    def worker(self) -> str:
        """Who works on the tasks, in words."""
        return workers(self.coders, self.settings.coder_model, self.own_models)

    @property
    def rehearsal(self) -> bool:
        """The rehearsal model plays: no key is set, and somebody asks a model of ours."""
        return self.settings.rehearsal and (self.judged or bool(self.coder_models))

    @cached_property
    def coder_models(self) -> tuple[str, ...]:
        """Every model that may be asked as a coder, the run's own first."""
        if self.settings.coder_is_local and self.local is not None:
            return self.coder.models((), self.local.name)
        compared = self.settings.compared
        own = (compared[0].model if compared else "") or self.settings.coder_model
        return self.coder.models(with_attempts(self.plan).tasks, own)

    @cached_property
    def evaluator_models(self) -> tuple[str, ...]:
        """Every model that may be asked as an evaluator."""
        if not self.judged:
            return ()
        if self.settings.evaluator_is_local and self.local is not None:
            return (self.local.name,)
        own = (task.task.evaluator_model for task in with_attempts(self.plan).tasks)
        return tuple(dict.fromkeys(name or self.settings.evaluation_model for name in own))

    @cached_property
    def unplayable(self) -> str:
        """Why it cannot be run, only looked at: the rehearsal model has replies for the sample tasks alone."""
        if not self.rehearsal:
            return ""
        if not self.coder_models:
            return (
                "No key is set, and the evaluator needs one: set EVALUATION_API_KEY, or OPENAI_API_KEY, in the "
                "environment or in .env. With --evaluator none each task's verify decides."
            )
        from agentbatch.rehearsal.library import sample_scripts  # the scripts: only without a key

        strange = [
            one.model
            for one in self.settings.compared
            if one.model and not REHEARSAL_CODERS.fullmatch(one.model)
        ]
        if strange:
            return (
                "No key is set, and without one --models takes rehearsal-coder, and rehearsal-coder-0 to -100, "
                f"which solves so many of 100: not {list_names(strange, 3)}."
            )
        prompts = [script.prompt for script in sample_scripts()]
        tasks = self.plan.tasks
        own = [one.id for one in tasks if not any(prompt in one.task.first_prompt for prompt in prompts)]
        if not own:
            return ""
        return (
            "No key is set, and without one only the sample tasks run (scripted replies, no AI): not "
            f"{list_names(own, 3)}. Set OPENAI_API_KEY, or CODER_API_KEY and EVALUATION_API_KEY, in the environment "
            "or in .env; --local runs a model on this machine; --dry-run shows the plan."
        )

    @property
    def sandbox_name(self) -> str:
        """Where commands run: `podman` where all tasks have images, `bubblewrap and podman` where some do."""
        engine: str = self.engine.name if self.engine is not None else self.sandbox.name
        images = [task.image is not None for task in self.plan.tasks]
        if self.cluster and any(images):
            engine = self.settings.sandbox if self.settings.sandbox in ENGINES else "containers"
            if all(images):
                return engine
        return engine if engine == self.sandbox.name else f"{self.sandbox.name} and {engine}"

    @property
    def cluster(self) -> str:
        """Whose machines the tasks' commands run on, in words; empty: this one."""
        given = self.settings.cluster
        return (
            ""
            if given is None
            else (self.environ.get("RAY_ADDRESS") if given == "auto" else given) or "a Ray of its own"
        )

    @property
    def max_concurrent(self) -> int:
        return 1 if self.mode == "serial" else self.settings.parallel

    @property
    def rest(self) -> float:
        """Seconds between two task starts; one by one, between an end and the next start."""
        default = SERIAL_REST_MS if self.mode == "serial" else 0
        return (self.settings.rest_ms if self.settings.rest_ms is not None else default) / 1000

    @property
    def own_files(self) -> tuple[Path, ...]:
        """What a next run would read from here."""
        names = ("agents", "prompts", self.settings.prices or "prices.toml")
        built = {
            Path(task.image.dockerfile) for task in self.plan.tasks if task.image and task.image.dockerfile
        }
        return (*(self.folder / name for name in names), *self.env_files, self.task_file, *sorted(built))

    @property
    def hidden_files(self) -> tuple[Path, ...]:
        """The task file where it says what no model may see, and lies in no task's directory."""
        if self.given or is_kept(self.folder / self.settings.tasks):
            return ()  # it lies among the runs, which are hidden
        hides = any(one.task.hidden_verify for one in self.plan.tasks) and not self.seeing
        return (self.task_file,) if hides else ()

    @property
    def task_file(self) -> Path:
        return (self.folder / self.settings.tasks).resolve()

    @property
    def seeing(self) -> list[str]:
        """Tasks whose coder can read the file that their `hidden_verify` stands in."""
        if self.given or is_kept(self.folder / self.settings.tasks):
            return []
        hiding = (task for task in self.plan.tasks if task.task.hidden_verify)
        return [task.id for task in hiding if self.task_file.is_relative_to(task.root)]

    @cached_property
    def exposed(self) -> list[str]:
        """Tasks that can change `own_files`: they work in a directory that holds them."""
        above = {self.folder, *self.folder.parents}
        walled = self.sandbox.name != "none" and not self.settings.trust_changes
        apart = ("copy", "worktree") if walled else ()  # what they change there stays there
        return [task.id for task in self.plan.tasks if task.root in above and task.isolation not in apart]

    @cached_property
    def own_digests(self) -> dict[str, str]:
        return digests(self.own_files, self.folder)

    def _window(self, planned: PlannedTask) -> int:
        """Tokens of the task's evaluator, as far as that is known before the run."""
        settings = self.settings
        here = self.local.size.context if self.local is not None and settings.evaluator_is_local else None
        known = self.evaluator.model.context_window or here
        model = planned.task.evaluator_model or settings.evaluation_model
        return known or self.prices.context_window(model) or DEFAULT_CONTEXT_WINDOW

    def dry_run(self) -> "DryRun":
        """What this run would do, and the least that it takes."""
        evaluator = self.evaluator if self.judged else None
        project = expected_project(self.plan, self.above)
        least = least_tokens(self.plan.tasks, self.prompts, self.coder, evaluator, self._window, project)
        return DryRun(self, least, self._least_cost(least), not_included(self.plan))

    def _least_cost(self, least: Sequence[LeastTokens]) -> float | None:
        if self.rehearsal:
            return None
        cost, at = 0.0, datetime.now(UTC)
        for planned, tokens in zip(self.plan.tasks, least, strict=True):
            for model, url, count in self._least_calls(planned, tokens):
                price = self.prices.price(model, Usage(input=count, calls=1), at, base_url=url)
                if price is None:
                    return None
                cost += price.total
        return cost

    def _least_calls(self, planned: PlannedTask, least: LeastTokens) -> Iterator[tuple[str, str, int]]:
        """The model, the endpoint and the tokens of each."""
        settings, local = self.settings, self.local.name if self.local is not None else ""
        own = local if settings.coder_is_local else planned.task.coder_model or settings.coder_model
        url = LOOPBACK if settings.coder_is_local else settings.coder_endpoint
        calls = [(one.model or own, url, least.coder) for one in settings.compared]
        calls = calls or [(own, url, least.coder)]
        judge = planned.task.evaluator_model or settings.evaluation_model
        if settings.evaluator_is_local:
            calls.append((local, LOOPBACK, least.evaluator))
        else:
            calls.append((judge, settings.evaluation_base_url, least.evaluator))
        return (call for call in calls if call[2])


@dataclass(frozen=True)
class DryRun:
    """A plan with the least it takes: each task's first coder call and first evaluation, prompts only."""

    prepared: PreparedRun
    least: list[LeastTokens]
    """One entry a task, in order."""
    least_cost: float | None
    """US dollars; None when a model's price is unknown."""
    not_included: list[str] = field(default_factory=list)
    """What tasks `include` and is not there, a sentence each."""
