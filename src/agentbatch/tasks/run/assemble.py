"""The engine of a prepared run, put together from its parts."""

from collections.abc import Callable
from pathlib import Path

from agentbatch.config import secret_variables
from agentbatch.files import STATE_FOLDER
from agentbatch.runs.state import seconds_at_work
from agentbatch.runs.store.store import Store
from agentbatch.spending.budget import RunBudget
from agentbatch.spending.failure_limit import FailureLimit
from agentbatch.tasks.agents.escalation import coder_models
from agentbatch.tasks.agents.toolbox import select_tools
from agentbatch.tasks.run.context import RoleModelConfig, RunContext
from agentbatch.tasks.run.engine import LocalEngine, ResumePlan
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.prepare.tool_modes import ToolModes
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.sandbox.mounts import covering
from agentbatch.workspace.tools.toolbox import specs
from agentbatch.workspace.workspace import Workspaces


def make_engine(
    prepared: PreparedRun,
    store: Store,
    coder: RoleModelConfig,
    evaluator: RoleModelConfig,
    modes: ToolModes,
    resume_plan: ResumePlan,
    workspaces: Workspaces,
) -> LocalEngine:
    toolbox = select_tools(prepared.coder.tools)
    told = specs(toolbox)
    models = coder_models(prepared.plan.tasks, coder.model, prepared.coder.escalate)

    async def settle_tool_modes() -> None:
        if not prepared.settings.rehearsal:
            await modes.settle(coder.endpoint, models[:1] if coder.only_model else models, told)

    settings = prepared.settings
    engine: LocalEngine

    def follow_concurrency(number: int) -> None:
        """Requests in flight go with the tasks, unless the user has said how many."""
        if settings.max_in_flight is None:
            for player in (coder, evaluator):
                player.endpoint.limits.set_max_in_flight(number)

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
        workspaces=workspaces,
        own_files=prepared.own_files,
        draining=lambda: engine.draining,
        stop_cause=lambda: engine.stop_cause,
        budget=_budget(prepared, store, on_exhausted=lambda sentence: engine.drain_for(sentence)),
        gate=lambda task_id: engine.gate(task_id),
        apply=settings.apply,
    )
    engine = LocalEngine(
        context,
        prepared.plan,
        max_concurrent=prepared.max_concurrent,
        rest=prepared.rest,
        first=settle_tool_modes,
        resume_plan=resume_plan,
        failure_limit=FailureLimit.of(settings.max_failures, settings.fail_fast, len(prepared.plan.tasks)),
        on_concurrency=follow_concurrency,
    )
    return engine


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


def local_workspaces(prepared: PreparedRun, store: Store) -> Workspaces:
    """Those of this machine, with the sandbox that was chosen for the run."""
    environ, folder = prepared.environ, store.folder
    rules = SandboxRules(
        choice=prepared.sandbox,
        network=not prepared.settings.no_network,
        home=Path(environ.get("HOME") or Path.home()),
        hidden_dirs=(*covering(task.root for task in prepared.plan.tasks), prepared.folder / STATE_FOLDER),
        hidden_files=prepared.env_files,
    )
    return LocalWorkspaces(
        folder.run_id,
        folder.path / "tasks",
        environ,
        rules,
        secret_names=secret_variables(),
        redact=store.redact,
    )
