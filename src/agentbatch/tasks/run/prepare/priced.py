"""A budget in dollars holds only where every model's price is known."""

from collections.abc import Iterator

from agentbatch.errors import UserError
from agentbatch.spending.pricing import require_prices
from agentbatch.tasks.run.prepare.prepared_run import LOOPBACK, PreparedRun


def check_priced(prepared: PreparedRun) -> None:
    """Raises UserError for a model without a price when the run, or a task, may only spend so much."""
    limited = [task.id for task in prepared.plan.tasks if task.max_cost is not None]
    if prepared.settings.max_cost is None and not limited:
        return
    what = "--max-cost" if prepared.settings.max_cost is not None else f"max_cost of {limited[0]}"
    if prepared.settings.rehearsal:
        raise UserError(f"{what}: the rehearsal model costs nothing; --max-tokens can be tried with it.")
    require_prices(prepared.prices, _models(prepared), what, ", or limit tokens with --max-tokens")


def _models(prepared: PreparedRun) -> Iterator[tuple[str, str]]:
    """Every model that may be called, with the endpoint whose prices hold."""
    settings, tasks = prepared.settings, prepared.plan.tasks
    if settings.coder_is_local and prepared.local is not None:
        for model in prepared.coder.models((), prepared.local.name):
            yield model, LOOPBACK
    else:
        for model in prepared.coder.models(tasks, settings.coder_model):
            yield model, settings.coder_endpoint
    if not prepared.judged:
        return
    if settings.evaluator_is_local and prepared.local is not None:
        yield prepared.local.name, LOOPBACK
    else:
        for task in tasks:
            yield task.task.evaluator_model or settings.evaluation_model, settings.evaluation_base_url
