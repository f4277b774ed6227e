"""The engine of a prepared run, put together from its parts."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agentbatch.config import Settings, secret_variables
from agentbatch.config.own_environment import own_environment
from agentbatch.files import STATE_FOLDER
from agentbatch.gateway.gateway import Gateway
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.run_state import RunState, seconds_at_work
from agentbatch.runs.store.store import Store
from agentbatch.spending.budget import RunBudget
from agentbatch.spending.failure_limit import FailureLimit
from agentbatch.tasks.agents.role_models import RoleModelConfig, RoleModels, RunParts
from agentbatch.tasks.agents.tool_modes import ToolModes
from agentbatch.tasks.coders.coder import Coders
from agentbatch.tasks.evaluator.makers import MakeEvaluators
from agentbatch.tasks.run.beginnings import Beginnings
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.engine import TasksEngine
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.resume.resume_plan import ResumePlan
from agentbatch.tasks.run.signals import RunSignals
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.workspace.files.env_files import env_files_in
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.preparation import ENGINES, SETUPS, SandboxChoice, choose_sandbox
from agentbatch.workspace.workspace import Order, Workspace, Workspaces

if TYPE_CHECKING:
    from agentbatch.cluster.connection.connection import Connection
    from agentbatch.cluster.workspaces import ClusterWorkspaces


def make_engine(
    prepared: PreparedRun,
    store: Store,
    coder: RoleModelConfig,
    evaluator: RoleModelConfig,
    modes: ToolModes,
    resume_plan: ResumePlan,
    workspaces: Workspaces,
    make_coders: Callable[[RunParts], Coders],
    make_evaluators: MakeEvaluators,
    gateway: Gateway,
) -> TasksEngine:
    settings = prepared.settings
    signals = RunSignals(store.redact)

    def follow_places(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.TaskPlaced):
            signals.wait_for_place(event.task_id, waits=event.waits)

    store.listen(follow_places)
    budget = _budget(prepared, store, on_exhausted=signals.drain_for)
    parts = RunParts(
        store=store,
        models=RoleModels(store, prepared.prices, budget, signals.gate),
        modes=modes,
        prompts=prepared.prompts,
        coder_model=coder,
        evaluator=prepared.evaluator,
        evaluator_model=evaluator,
        judged=prepared.judged,
        gateway=gateway,
        own_files=prepared.own_files,
    )
    context = RunContext(
        store=store,
        beginnings=Beginnings(store.folder, store.redact),
        workspaces=workspaces,
        coders=make_coders(parts),
        evaluators=make_evaluators(parts),
        signals=signals,
        worded=lambda said: prepared.prompts.render("said.md", said=said),
        verify_timeout=prepared.evaluator.limits.verify_timeout,
        above=prepared.above,
        apply=settings.apply,
    )

    def follow_concurrency(number: int) -> None:
        """Requests in flight follow the tasks, unless the user has set how many."""
        if settings.max_in_flight is None:
            for config in (coder, evaluator):
                config.endpoint.limits.set_max_in_flight(number)

    return TasksEngine(
        context,
        with_attempts(prepared.plan),
        max_concurrent=prepared.max_concurrent,
        rest=prepared.rest,
        resume_plan=resume_plan,
        failure_limit=FailureLimit.of(settings.max_failures, settings.fail_fast, len(prepared.plan.tasks)),
        on_concurrency=follow_concurrency,
        quotas=[coder.endpoint.quota, evaluator.endpoint.quota],
    )


def _budget(prepared: PreparedRun, store: Store, on_exhausted: Callable[[str], None]) -> RunBudget:
    """What the run may spend, less what its earlier sessions have."""
    settings, state = prepared.settings, store.state
    return RunBudget(
        settings.max_cost,
        settings.max_tokens,
        settings.max_time,
        spent_cost=state.cost,
        spent_tokens=state.usage.total,
        spent_seconds=seconds_at_work(state),
        on_exhausted=on_exhausted,
    )


def local_workspaces(prepared: PreparedRun, store: Store) -> LocalWorkspaces:
    """Those of this machine, with the sandbox that was chosen for the run."""
    return workspaces_here(prepared, store.folder, store.redact)


def workspaces_here(
    prepared: PreparedRun, folder: RunFolder, redact: Redactor, mark: str = ""
) -> LocalWorkspaces:
    """The same; `mark`: as LocalWorkspaces takes it."""
    environ = prepared.environ
    tls = (prepared.settings.client_key, prepared.settings.client_cert)
    keys = (path.absolute() for path in tls if path is not None)
    rules = SandboxRules.of_run(
        prepared.sandbox,
        network=not prepared.settings.no_network,
        home=Path(environ.get("HOME") or Path.home()),
        directories=(task.root for task in prepared.plan.tasks),
        runs=prepared.folder / STATE_FOLDER,
        env_files=(*prepared.env_files, *prepared.hidden_files, *env_files_in(prepared.folder), *keys),
        own_files=() if prepared.settings.trust_changes else prepared.own_files,
        engine=prepared.engine,
        images=prepared.images,
    )
    return LocalWorkspaces(
        folder.run_id,
        folder.path / "tasks",
        environ,
        rules,
        secret_names=secret_variables(),
        redact=redact,
        repositories=prepared.repositories,
        mark=mark,
        setups=prepared.folder / STATE_FOLDER / SETUPS,
    )


def workspaces_of(prepared: PreparedRun, store: Store) -> Workspaces:
    """Those of this machine, or of a cluster where one was chosen."""
    cluster = prepared.settings.cluster
    return cluster_workspaces(prepared, store, cluster) if cluster else local_workspaces(prepared, store)


def cluster_workspaces(
    prepared: PreparedRun, store: Store, address: str, around: Sequence[str] = ()
) -> "ClusterWorkspaces":
    """Those on the machines of a cluster. `around`: as Connection takes it."""
    from agentbatch.cluster.connection.connection import Connection
    from agentbatch.cluster.exchange.terms import Walls
    from agentbatch.cluster.workspaces import ClusterTerms, ClusterWorkspaces

    here, settings = local_workspaces(prepared, store), prepared.settings
    rules, shared = here.rules, settings.cluster_shared
    walls = Walls(
        "none"
        if settings.sandbox == "none"
        else "bubblewrap"
        if rules.choice.name == "bubblewrap"
        else "auto",
        rules.network,
        next((engine for engine in ENGINES if engine == settings.sandbox), None),
        tuple(map(str, rules.hidden_dirs)) if shared else (),
        tuple(map(str, rules.hidden_files)) if shared else (),
    )
    terms = ClusterTerms(
        mark=here.mark,
        store=store.folder.path / "travel",
        walls=walls,
        shared=shared,
        cpus=settings.task_cpus,
        most=settings.node_wait,
        secret_names=secret_variables(),
        hidden_files=rules.hidden_files,
        programs=own_environment(prepared.environ, rules.hidden_dirs),
        path=prepared.environ.get("PATH", ""),
        resources={task.id: task.task.resources for task in prepared.plan.tasks if task.task.resources},
    )

    def show(task_id: str, place: str, waits: bool) -> None:
        store.emit(e.TaskPlaced(task_id=task_id, place=store.redact(place), waits=waits))

    def tell(task_id: str | None, text: str) -> None:
        store.emit(e.Notice(task_id=task_id, text=store.redact(text)))

    connection = Connection(address, prepared.environ, partial(tell, None), around)
    return ClusterWorkspaces(here, connection, terms, store.redact, show, tell)


@asynccontextmanager
async def throwaway_workspace(
    folder: Path, environ: Mapping[str, str], choice: SandboxChoice
) -> AsyncIterator[Workspace]:
    """One in an empty directory below `folder`, under the rules of a run's: to look at a program before a run."""
    workspaces = _throwaway(folder, environ, choice)
    place = workspaces.make(Order("probe", str(folder / "work"), "none", {}, (), 60.0))
    try:
        yield await place.start()
    finally:
        await place.close()
        await workspaces.close()


def throwaway_cluster(
    folder: Path,
    environ: Mapping[str, str],
    settings: Settings,
    connection: "Connection",
    resources: Mapping[str, Mapping[str, float]],
) -> "ClusterWorkspaces":
    """Workspaces on machines of a cluster, whose directories at home are below `folder`: to try them before a run.
    `resources`: by task. They close the connection."""
    from agentbatch.cluster.exchange.terms import Walls
    from agentbatch.cluster.workspaces import ClusterTerms, ClusterWorkspaces

    inner = _throwaway(folder, environ, choose_sandbox("none"))
    sandbox = settings.sandbox if settings.sandbox in ("bubblewrap", "none") else "auto"
    terms = ClusterTerms(
        mark=inner.mark,
        store=folder / "travel",
        walls=Walls(sandbox, not settings.no_network),
        shared=False,
        cpus=settings.task_cpus,
        most=None,
        secret_names=secret_variables(),
        hidden_files=(),
        programs=own_environment(environ, ()),
        path=environ.get("PATH", ""),
        resources=resources,
    )
    return ClusterWorkspaces(inner, connection, terms, Redactor([]), lambda *_: None, lambda *_: None)


def _throwaway(folder: Path, environ: Mapping[str, str], choice: SandboxChoice) -> LocalWorkspaces:
    here = Path.cwd()
    rules = SandboxRules.of_run(
        choice,
        network=True,
        home=Path(environ.get("HOME") or Path.home()),
        directories=(),
        runs=here / STATE_FOLDER,
        env_files=env_files_in(here),
    )
    return LocalWorkspaces(
        "none", folder / "tasks", environ, rules, secret_names=secret_variables(), redact=Redactor([])
    )
