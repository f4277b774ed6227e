"""The server of `--local`, planned before a run."""

from agentbatch.errors import UserError
from agentbatch.local.models_folder import find_model
from agentbatch.local.server_plan import ServerPlan, plan_server
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun


def plan_local(prepared: PreparedRun, model: str) -> ServerPlan:
    """With a slot for each task that may run at the same time. Raises UserError."""
    settings = prepared.settings
    if settings.judge == "none" and not settings.coder_is_local:
        raise UserError(
            "--local would play only the evaluator, and --evaluator none leaves that out: leave out one."
        )
    name, path = find_model(model, prepared.folder, prepared.environ)
    at_once = sum(len(task.attempts) or 1 for task in prepared.plan.tasks)
    slots = max(1, min(prepared.max_concurrent, at_once))
    return plan_server(path, name, slots, context=settings.local_context, threads=settings.local_threads)
