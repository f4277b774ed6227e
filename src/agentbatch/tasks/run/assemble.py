"""The engine of a prepared run, put together from its parts."""

from collections.abc import Callable

from agentbatch.gateway.gateway import Gateway
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState, seconds_at_work
from agentbatch.runs.store.store import Store
from agentbatch.spending.budget import RunBudget
from agentbatch.spending.failure_limit import FailureLimit
from agentbatch.tasks.agents.role_models import RoleModelConfig, RoleModels, RunParts
from agentbatch.tasks.agents.tool_modes import ToolModes
from agentbatch.tasks.coders.coder import Coders
from agentbatch.tasks.evaluator.makers import MakeEvaluators
from agentbatch.tasks.run.beginning.beginnings import Beginnings
from agentbatch.tasks.run.context import RunContext
from agentbatch.tasks.run.engine import TasksEngine
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.resume.resume_plan import ResumePlan
from agentbatch.tasks.run.signals import RunSignals
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.workspace.workspace import Workspaces


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
