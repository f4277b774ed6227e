"""A run with everything checked that could be, and what it would do."""

from collections.abc import Mapping
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
from agentbatch.tasks.agents.project import Given
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.resources import AGENTS, misnamed
from agentbatch.tasks.coders.kind import CoderKind
from agentbatch.tasks.run.prepare.context import expected_project, not_included
from agentbatch.tasks.run.prepare.estimate import LeastTokens, least_tokens
from agentbatch.tasks.run.prepare.own_files import changed_since_last_run, digests
from agentbatch.tasks.run.prepare.servers import server_secrets
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import counted, list_names
from agentbatch.usage import Usage
from agentbatch.workspace.preparation import ENGINES, SandboxChoice, limits_warning
from agentbatch.workspace.workspace import Image

if TYPE_CHECKING:
    from agentbatch.local.server_plan import ServerPlan
    from agentbatch.workspace.images import Engine, Had

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
    images: "Mapping[Image, Had]" = field(default_factory=dict)
    """Of the tasks, once they are had."""
    local: "ServerPlan | None" = None
    """The server of `--local`."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """The settings that came from the command line, as a resumption needs them."""
    resumed: RunFolder | None = None
    """The run that is resumed; None: a new one."""
    uncommitted: tuple[str, ...] = ()
    """What tasks in git worktrees will not find there, a sentence each."""
    above: Mapping[Path, Mapping[str, Given]] = field(default_factory=dict)
    """By a task's directory, the project's rules in the folders above it."""
    of_coders: tuple[str, ...] = ()
    """What the user may not expect of the tasks' coders, a sentence each."""
    coders: tuple[str, ...] = (BUILTIN,)
    """Names of all that may work on a task, the run's own first."""
    own_models: tuple[str, ...] = ()
    """Coders that call their models themselves, by name."""
    of_cluster: tuple[str, ...] = ()
    """What its machines lack, a sentence each."""
    repositories: Mapping[Path, Path] = field(default_factory=dict)
    """The git repository of each directory whose tasks get worktrees, settled before anything runs."""
    given: tuple[Mapping[str, Any], ...] = ()
    """Entries that stand in no task file: the run keeps them in its folder."""

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
        if self.cluster and any(task.image is not None for task in self.plan.tasks):
            engine = self.settings.sandbox if self.settings.sandbox in ENGINES else "containers"
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
        task_file = (self.folder / self.settings.tasks).resolve()
        built = {
            Path(task.image.dockerfile) for task in self.plan.tasks if task.image and task.image.dockerfile
        }
        return (*(self.folder / name for name in names), *self.env_files, task_file, *sorted(built))

    @property
    def hidden_files(self) -> tuple[Path, ...]:
        """The task file where it says what no model may see, and lies in no task's directory."""
        if self.given or is_kept(self.folder / self.settings.tasks):
            return ()  # it lies among the runs, which are hidden
        hides = any(one.task.hidden_verify for one in self.plan.tasks) and not self._in_sight()
        return ((self.folder / self.settings.tasks).resolve(),) if hides else ()

    @cached_property
    def exposed(self) -> list[str]:
        """Tasks that can change `own_files`: they work in a directory that holds them."""
        above = {self.folder, *self.folder.parents}
        walled = self.sandbox.name != "none" and not self.settings.trust_changes
        apart = ("copy", "worktree") if walled else ()  # what they change there stays there
        return [task.id for task in self.plan.tasks if task.root in above and task.isolation not in apart]

    def _exposed(self) -> str:
        above = self.exposed
        if not above:
            return ""
        return (
            f"{list_names(above)} {'works' if len(above) == 1 else 'work'} in a directory that holds this folder: the "
            "coder can change agents/, prompts/, .env and the task file, and with them the next run. Changes are "
            "reported; a dir of its own is safer, and so is --isolation."
        )

    @cached_property
    def own_digests(self) -> dict[str, str]:
        return digests(self.own_files, self.folder)

    @cached_property
    def warnings(self) -> list[str]:
        exposed = self._exposed()
        local = self.local.warning if self.local is not None else ""
        return [
            w
            for w in (
                *self.plan.warnings(),
                *misnamed(self.folder, {"agents": AGENTS, "prompts": self.prompts.names}),
                self._outside(),
                self._in_sight(),
                exposed,
                changed_since_last_run(self.folder, self.own_digests),
                *self.uncommitted,
                self.sandbox.warning,
                limits_warning(task.limits for task in self.plan.tasks if task.image is None),
                local,
                self._no_checks(),
                *self.of_coders,
                *self.of_cluster,
                self._other_models(),
            )
            if w
        ]

    def _outside(self) -> str:
        """Tasks that work neither below the task file's folder nor below this one."""
        homes = [self.folder.parts, (self.folder / self.settings.tasks).resolve().parent.parts]
        away = [
            f"{task.id} in {task.root}"
            for task in self.plan.tasks
            if task.isolation == "none" and not any(task.root.parts[: len(home)] == home for home in homes)
        ]
        verb = "works" if len(away) == 1 else "work"
        return f"{counted(len(away), 'task')} {verb} outside this folder: {list_names(away)}." if away else ""

    def _in_sight(self) -> str:
        """Tasks whose coder can read the file that their `hidden_verify` stands in."""
        if self.given or is_kept(self.folder / self.settings.tasks):
            return ""
        file = (self.folder / self.settings.tasks).resolve()
        seen = [
            task.id for task in self.plan.tasks if task.task.hidden_verify and file.is_relative_to(task.root)
        ]
        text = "Their hidden_verify is not hidden, since the task file lies in the directory of"
        return f"{text}: {list_names(seen)}. Keep it elsewhere." if seen else ""

    def _no_checks(self) -> str:
        """Checks that were asked for, and that nobody writes."""
        asked = not self.judged and self.settings.checks
        return "--checks has no effect with --evaluator none: no model writes any." if asked else ""

    def _other_models(self) -> str:
        """Tasks that ask for a model which the local server does not have."""
        if self.local is None:
            return ""
        settings = self.settings
        others = [
            planned.id
            for planned in self.plan.tasks
            if (settings.coder_is_local and set(planned.coder_models(self.local.name)) != {self.local.name})
            or (settings.evaluator_is_local and planned.task.evaluator_model)
        ]
        named = f"{', '.join(others[:5])}{' and others' if len(others) > 5 else ''}"
        return (
            f"Tasks with a model of their own get {self.local.name} all the same: {named}." if others else ""
        )

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
        settings, at = self.settings, datetime.now(UTC)
        cost: float | None = None if self.rehearsal else 0.0
        local = self.local.name if self.local is not None else ""
        for planned, tokens in zip(self.plan.tasks, least, strict=True):
            own = local if settings.coder_is_local else planned.task.coder_model or settings.coder_model
            coder_url = LOOPBACK if settings.coder_is_local else settings.coder_endpoint
            for model, url, count in (
                *(
                    (coder, coder_url, tokens.coder)
                    for coder in [one.model or own for one in settings.compared] or (own,)
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
        return DryRun(self, least, cost, not_included(self.plan))


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
