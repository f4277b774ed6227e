"""How far a batch at the provider is, told as the progress of any batch. Pure."""

from collections.abc import Sequence

from agentbatch.requests.provider.state import ProviderState
from agentbatch.requests.report.progress import BatchProgress
from agentbatch.requests.report.stats import BatchStats


def provider_progress(
    stats: BatchStats, states: Sequence[ProviderState], before: int, asked: int
) -> BatchProgress:
    """`states`: of what is at work there; `before`: done there before this session looked first, which is none
    of its work; `asked`: requests of all that is at work."""
    failed = sum(state.failed for state in states)
    there = sum(state.completed for state in states) + failed
    completed = min(stats.total, stats.done + there) if stats.total else stats.done
    done = max(0, stats.ok + stats.failed + there - before)
    rate = done / stats.elapsed if stats.elapsed > 0 else 0.0
    left = max(0, stats.total - stats.done)
    return BatchProgress(
        total=stats.total,
        completed=completed,
        failed=min(stats.failed + failed, completed),
        elapsed=stats.elapsed,
        eta=(stats.total - completed) / rate if rate and stats.total else None,
        rate=rate,
        tokens=stats.usage.total,
        cost=stats.cost,
        skipped=stats.skipped,
        in_flight=max(0, min(left, asked) - there),
    )
