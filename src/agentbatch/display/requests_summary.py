"""The figures of a batch of requests, as text and as JSON. Pure."""

from typing import Any

from agentbatch.requests.latency import Durations
from agentbatch.requests.stats import BatchStats
from agentbatch.store.format import clip, counted, duration, fold, money, tokens

MOST_FAILED = 20
"""Failed requests that are listed; the output file has all."""

HIGH_REFUSALS = 0.1
"""Share of 429s from which more patience is advised (a guide to fast batch generation)."""


def summary_lines(stats: BatchStats, columns: int, *, concurrency: int, peak: int) -> list[str]:
    """`concurrency`: the ceiling; `peak`: what the endpoint took."""
    usage = stats.usage
    lines = [
        f"{counted(stats.total or stats.done, 'request')}: {stats.ok:,} ok, {stats.failed:,} failed, "
        f"{stats.skipped:,} answered before, {stats.cached:,} without a call",
        f"time {duration(stats.elapsed)}, {stats.rate:.1f} requests/s, at most {peak} of {concurrency} at once",
        f"latency {_durations(stats.latency)}",
        f"queue wait {_durations(stats.wait)}",
        f"{stats.attempts:,} calls, {stats.retries:,} retries, {stats.refusal_rate:.1%} answered 429, "
        f"{stats.reasked:,} asked again for their schema, {stats.error_rate:.1%} of the requests failed",
        f"tokens {tokens(usage.input, estimated=usage.estimated)} in, "
        f"{tokens(usage.output, estimated=usage.estimated)} out, {stats.tokens_each:,.0f} a request, "
        f"cost {money(stats.cost)}",
    ]
    folded = [part for line in lines for part in fold(line, columns, 4)]
    if stats.failures:
        folded.append("Failed")
        folded += [
            part
            for request_id, reason in stats.failures[:MOST_FAILED]
            for part in fold(f"  {clip(request_id, 40)}: {clip(reason, 300)}", columns, 6)
        ]
        if stats.failed > MOST_FAILED:
            folded.append(
                f"  … and {stats.failed - MOST_FAILED:,} more: the lines with an error in the output"
            )
    told = advice(stats, concurrency=concurrency, peak=peak)
    return [*folded, *(fold(f"advice: {told}", columns, 4) if told else [])]


def _durations(durations: Durations) -> str:
    if not durations.count:
        return "–"
    return (
        f"avg {durations.mean:.2f} s, p50 {durations.percentile(0.5):.2f}, p95 {durations.percentile(0.95):.2f}, "
        f"p99 {durations.percentile(0.99):.2f}, min {durations.least:.2f}, max {durations.most:.2f}"
    )


def advice(stats: BatchStats, *, concurrency: int, peak: int) -> str:
    """One sentence when a knob is clearly wrong; empty otherwise."""
    if stats.refusal_rate > HIGH_REFUSALS and stats.attempts >= 20:
        return (
            f"{stats.refusal_rate:.0%} of the calls were answered 429: set --rpm to what the endpoint allows, or lower "
            f"--concurrency to about {max(1, peak // 2)}."
        )
    if stats.latency.count and stats.total >= 100 and concurrency <= 3 and not stats.refused:
        return (
            f"nothing was refused at {concurrency} at once: a batch of this size goes faster with 8 or more."
        )
    return ""


def summary_document(stats: BatchStats, *, stopped: str, output: str) -> dict[str, Any]:
    """The same as one JSON document: seconds, US dollars, null where unknown."""
    usage = stats.usage
    return {
        "type": "done",
        "total": stats.total,
        "ok": stats.ok,
        "failed": stats.failed,
        "skipped": stats.skipped,
        "cached": stats.cached,
        "calls": stats.attempts,
        "retries": stats.retries,
        "refused": stats.refused,
        "reasked": stats.reasked,
        "seconds": round(stats.elapsed, 3),
        "requestsPerSecond": round(stats.rate, 3),
        "latency": _document(stats.latency),
        "queueWait": _document(stats.wait),
        "tokens": {"input": usage.input, "output": usage.output, "estimated": usage.estimated},
        "cost": stats.cost,
        "failedList": [{"id": request_id, "reason": reason} for request_id, reason in stats.failures],
        "stopped": stopped or None,
        "output": output,
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
