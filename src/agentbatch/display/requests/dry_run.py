"""`agentbatch requests run --dry-run`: what a batch of plain requests would take, as text."""

from agentbatch.redaction import shown_url
from agentbatch.requests.batch.executor import EXPECTED_OUTPUT
from agentbatch.requests.report.advice import wanted_batch_size
from agentbatch.requests.run.plan import RequestsPlan
from agentbatch.runs.kind import REHEARSAL
from agentbatch.text import UNKNOWN, clip, counted, fold, money

WIDTH = 79
MAX_MODELS = 20


def render_plan(plan: RequestsPlan) -> list[str]:
    """Lines of at most 79 columns."""
    prepared, total = plan.prepared, plan.total
    settings, options = prepared.settings, prepared.options
    lines = [
        f"{counted(total.requests, 'request')}, about {total.input:,} tokens in and at most {total.most:,} out",
        REHEARSAL if settings.rehearsal else f"to {shown_url(settings.coder_endpoint)}",
        "through the provider's batch service, at half price, within a day"
        if options.provider_batch
        else f"at most {options.concurrency} at a time",
    ]
    if len(plan.parts) > 1:
        lines += _by_model(plan)
    if total.most_cost is not None:
        lines.append(f"cost at least {money(total.least_cost)}, at most {money(total.most_cost)}")
    elif not settings.rehearsal:
        lines.append(f"cost {UNKNOWN} (no price is known)")
    if total.unbounded:
        lines += fold(
            f"{total.unbounded:,} of them set no max_tokens: {EXPECTED_OUTPUT} an answer are assumed, and it may be "
            "more.",
            WIDTH,
        )
    least, most = wanted_batch_size(total.requests)
    if options.batch_size > most:
        text = f"--batch-size {options.batch_size} is much for so few: {least} or {most} lose less when a call fails."
        lines += fold(text, WIDTH)
    return [*lines, "Nothing was sent."]


def _by_model(plan: RequestsPlan) -> list[str]:
    lines = [f"{'requests':>10}  {'tokens in':>12}  {'out, at most':>12}  {'cost, at most':>13}  model"]
    for model, part in list(plan.parts.items())[:MAX_MODELS]:
        lines.append(
            f"{part.requests:>10,}  {part.input:>12,}  {part.most:>12,}  {money(part.most_cost):>13}  {clip(model, 24)}"
        )
    more = len(plan.parts) - MAX_MODELS
    return [*lines, f"  … and {more:,} more models"] if more > 0 else lines
