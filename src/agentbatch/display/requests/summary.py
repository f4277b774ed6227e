"""The figures of a batch of plain requests that has ended, as text and as JSON. Pure."""

from collections.abc import Sequence
from typing import Any

from agentbatch.display.reports.prompt_cache import cache_words
from agentbatch.display.requests.failed import failed_list
from agentbatch.requests.report.advice import Figures, advice_for
from agentbatch.requests.report.latency import Durations
from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.run.run_requests import RequestsOutcome
from agentbatch.text import counted, duration, fold, harmless, money, tokens

SHORT = 60.0
"""Seconds."""


def summary_lines(
    outcome: RequestsOutcome, failed: Sequence[tuple[str, str]], advice: str, columns: int
) -> list[str]:
    """`failed`: ids and reasons, in input order; `advice`: empty when there is none."""
    lines = [
        _counts(outcome),
        *(
            _at_provider(outcome.stats)
            if outcome.provider_batch
            else _session(outcome.stats, outcome.peak, outcome.ceiling)
        ),
        *_spent(outcome),
    ]
    folded = [part for line in lines for part in fold(line, columns, 4)]
    more = f"agentbatch status {outcome.run_folder.name} --json"
    folded += failed_list(failed, columns, sign="", more=more)
    if advice:
        folded += fold(f"advice: {advice}", columns, 4)
    return [*folded, f"answers in {harmless(str(outcome.output))}"]


def _counts(outcome: RequestsOutcome) -> str:
    figures, stats = outcome.figures, outcome.stats
    left = outcome.left
    before = max(0, figures.ok - stats.ok)
    parts = [
        f"{figures.ok:,} ok",
        f"{stats.withheld:,} of them refused by the model or filtered" if stats.withheld else "",
        f"{figures.failed:,} failed",
        f"{left:,} not asked" if left else "",
        f"{before:,} answered before" if before else "",
        f"{stats.cached:,} without a call" if stats.cached else "",
    ]
    return f"{counted(figures.total, 'request')}: {', '.join(filter(None, parts))}"


def _session(stats: BatchStats, peak: int, ceiling: int) -> list[str]:
    if not stats.attempts:
        return ["0 calls"]
    most = min(peak, ceiling, stats.attempts)  # `peak` is what was allowed
    reasked = f", {stats.reasked:,} asked again for their schema" if stats.reasked else ""
    return [
        f"time {_time(stats.elapsed)}, {stats.rate:.1f} requests/s, at most {most:,} of {ceiling:,} at once",
        f"latency {stats.latency}",
        f"queue wait {stats.wait}",
        f"{counted(stats.attempts, 'call')}, {counted(stats.retries, 'retry', 'retries')}, "
        f"{stats.refusal_rate:.1%} answered 429{reasked}, {stats.failure_rate:.1%} of the requests failed",
    ]


def _at_provider(stats: BatchStats) -> list[str]:
    """The provider's batch service reports no latencies."""
    if not stats.attempts:
        return ["0 answers from the provider's batch service"]
    reasked = f", {stats.reasked:,} asked again for their schema" if stats.reasked else ""
    return [
        f"time {_time(stats.elapsed)}, {counted(stats.attempts, 'answer')} from the provider's batch service{reasked}, "
        f"{stats.failure_rate:.1%} of the requests failed"
    ]


def _time(seconds: float) -> str:
    """Minutes say nothing of a short batch."""
    return f"{seconds:.1f} s" if seconds < SHORT else duration(seconds)


def _spent(outcome: RequestsOutcome) -> list[str]:
    stats, figures = outcome.stats, outcome.figures
    usage = stats.usage
    lines = []
    if stats.attempts:
        lines.append(
            f"tokens {usage.shown(usage.input)} in, "
            f"{usage.shown(usage.output)} out, {stats.tokens_each:,.0f} a request, "
            f"cost {money(stats.cost)}"
        )
    if words := cache_words(usage):
        lines.append(words)
    if figures.usage.total != usage.total:
        lines.append(f"all sessions: {tokens(figures.usage.total)} tokens, cost {money(figures.cost)}")
    return lines


def advice_of(stats: BatchStats, *, concurrency: int, batch_size: int, limited: bool) -> str:
    """One sentence where a knob was clearly wrong; else nothing."""
    return advice_for(
        Figures(
            requests=stats.total,
            seconds=stats.elapsed,
            attempts=stats.attempts,
            refused=stats.refused,
            failed_packs=stats.again_rate,
            concurrency=concurrency,
            batch_size=batch_size,
            limited=limited,
        )
    )


def summary_document(
    outcome: RequestsOutcome, failed: Sequence[tuple[str, str]], advice: str
) -> dict[str, Any]:
    """The same as one JSON document: seconds, US dollars, null where unknown. Rates and tokens are of this session."""
    stats, figures = outcome.stats, outcome.figures
    return {
        "type": "done",
        "run_id": outcome.run_folder.name,
        "total": figures.total,
        "ok": figures.ok,
        "failed": figures.failed,
        "open": outcome.left,
        "skipped": max(0, figures.ok - stats.ok),
        "cached": stats.cached,
        "calls": stats.attempts,
        "retries": stats.retries,
        "refused": stats.refused,
        "reasked": stats.reasked,
        "withheld": stats.withheld,
        "refusalRate": round(stats.refusal_rate, 4),
        "errorRate": round(stats.failure_rate, 4),
        "seconds": round(stats.elapsed, 3),
        "requestsPerSecond": round(stats.rate, 3),
        "latency": _document(stats.latency),
        "queueWait": _document(stats.wait),
        "tokens": {
            "input": stats.usage.input,
            "output": stats.usage.output,
            "fromPromptCache": stats.usage.cached,
            "intoPromptCache": stats.usage.written,
            "perRequest": round(stats.tokens_each, 1),
            "estimated": stats.usage.estimated,
        },
        "cost": stats.cost,
        "allSessions": {"calls": figures.attempts, "tokens": figures.usage.total, "cost": figures.cost},
        "failedList": [{"id": request_id, "reason": reason} for request_id, reason in failed],
        "advice": advice or None,
        "stopped": outcome.stopped or None,
        "interrupted": outcome.interrupted,
        "output": str(outcome.output.absolute()),
        "run_folder": str(outcome.run_folder),
        "exit_code": outcome.exit_code,
    }


def _document(durations: Durations) -> dict[str, float]:
    return {
        "average": round(durations.mean, 4),
        "p50": round(durations.percentile(0.5), 4),
        "p95": round(durations.percentile(0.95), 4),
        "p99": round(durations.percentile(0.99), 4),
        "min": round(durations.least, 4),
        "max": round(durations.most, 4),
    }
