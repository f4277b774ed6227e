"""What a run's tasks ask of a cluster, checked before anything is spent."""

from collections.abc import Mapping, Sequence

from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.runs.store.database import read_state
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.plan import Plan
from agentbatch.text import list_names
from agentbatch.workspace.preparation import ENGINES


def check_asked(plan: Plan, settings: Settings, coders: Sequence[CoderEntry]) -> None:
    """What of the tasks needs a cluster, or can have none. Raises UserError."""
    if settings.cluster is None:
        if settings.cluster_shared:
            raise UserError(
                "--cluster-shared says what the machines of a cluster have, and --cluster is missing."
            )
        wanting = [task.id for task in plan.tasks if task.task.resources]
        if wanting:
            raise UserError(
                f"resources are those of a cluster, and --cluster is missing: {list_names(wanting)}."
            )
        return
    for field, what in (
        (
            "dockerfile",
            "a dockerfile: no machine has what lies beside it. Push what it builds, and name it as `image`",
        ),
        ("workdir", "a workdir: what an image holds there is not brought home. Leave it out"),
    ):
        named = [task.id for task in plan.tasks if task.image is not None and getattr(task.image, field)]
        if named:
            raise UserError(f"On a cluster {list_names(named)} cannot have {what}, or run without --cluster.")
    named = [entry.name for entry in coders if entry.credentials and not entry.gateway]
    if named:
        raise UserError(
            f"{list_names(named)} uses a login of yours, which never leaves this machine: on a cluster it can only ask "
            "the gateway. Leave --coder-login out, or run without --cluster."
        )


def lacking_there(prepared: PreparedRun, address: str, entries: Mapping[str, CoderEntry]) -> tuple[str, ...]:
    """What the cluster's machines lack, a sentence each. Raises UserError where the run can come to nothing there."""
    from agentbatch.cluster.before import ClusterNeeds, check_cluster
    from agentbatch.cluster.exchange.terms import lease_of

    settings, resume, over = prepared.settings, prepared.resumed, frozenset[str]()
    if resume is not None and not settings.retrying:
        known = read_state(resume.database).tasks.values()
        over = frozenset(one.id for one in known if one.finished and not one.may_continue)
    wanted = {
        task.id: lease_of(task.limits, settings.task_cpus, task.task.resources)
        for task in prepared.plan.tasks
        if task.id not in over
    }
    there = [entries[name] for name in prepared.coders if entries[name].program]
    tasks = with_attempts(prepared.plan).tasks
    outside = {name for task in tasks if task.image is None for name in task.coders}
    programs = {f"the coder {one.name}": [one.program] for one in there if one.name in outside}
    if any(task.image is not None for task in tasks):
        engines = [engine for engine in ENGINES if settings.sandbox in ("auto", engine)]
        programs["a task with an image"] = list[str](engines)
    asked = ClusterNeeds(
        wanted,
        may_wait=settings.node_wait is not None,
        programs=programs,
        reaching=[entry.name for entry in there if entry.gateway],
    )
    return check_cluster(address, prepared.environ, asked)
