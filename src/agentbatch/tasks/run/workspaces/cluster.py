"""Workspaces on the machines of a cluster: a run's, and throwaway ones."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.exchange.terms import Walls
from agentbatch.cluster.workspaces import ClusterTerms, ClusterWorkspaces
from agentbatch.config import Settings, secret_variables
from agentbatch.config.own_environment import own_environment
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.workspaces.local import local_workspaces, throwaway_workspaces
from agentbatch.workspace.preparation import ENGINES, EngineName, choose_sandbox


def cluster_workspaces(
    prepared: PreparedRun, store: Store, address: str, around: Sequence[str] = ()
) -> ClusterWorkspaces:
    """Those on the machines of a cluster. `around`: as Connection takes it."""
    here, settings = local_workspaces(prepared, store), prepared.settings
    rules, shared = here.rules, settings.cluster_shared
    walls = Walls(
        "none"
        if settings.sandbox == "none"
        else "bubblewrap"
        if rules.choice.name == "bubblewrap"
        else "auto",
        rules.network,
        _engine(settings),
        tuple(map(str, rules.hidden_dirs)) if shared else (),
        tuple(map(str, rules.hidden_files)) if shared else (),
    )
    terms = ClusterTerms(
        mark=here.mark,
        store=store.folder.path / "travel",
        walls=walls,
        shared=shared,
        cpus=settings.task_cpus,
        max_wait=settings.node_wait,
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

    def alarm(text: str) -> None:
        store.emit(e.Notice(text=store.redact(text), urgent=True))

    connection = Connection(address, prepared.environ, partial(tell, None), around)
    return ClusterWorkspaces(here, connection, terms, store.redact, show, tell, alarm)


def throwaway_cluster(
    folder: Path,
    environ: Mapping[str, str],
    settings: Settings,
    connection: Connection,
    resources: Mapping[str, Mapping[str, float]],
) -> ClusterWorkspaces:
    """Workspaces on machines of a cluster, whose directories at home are below `folder`: to try them before a run.
    `resources`: by task. They close the connection."""
    inner = throwaway_workspaces(folder, environ, choose_sandbox("none"))
    sandbox = settings.sandbox if settings.sandbox in ("bubblewrap", "none") else "auto"
    terms = ClusterTerms(
        mark=inner.mark,
        store=folder / "travel",
        walls=Walls(sandbox, not settings.no_network, _engine(settings)),
        shared=False,
        cpus=settings.task_cpus,
        max_wait=None,
        secret_names=secret_variables(),
        hidden_files=(),
        programs=own_environment(environ, ()),
        path=environ.get("PATH", ""),
        resources=resources,
    )
    return ClusterWorkspaces(inner, connection, terms, Redactor([]), *3 * [lambda *_: None])


def _engine(settings: Settings) -> EngineName | None:
    """Of containers, where one was named."""
    return next((engine for engine in ENGINES if engine == settings.sandbox), None)
