"""What a processor is asked for and gives: an estimate before, the whole run after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agentbatch.requests.report.stats import BatchStats
from agentbatch.requests.spec.request import BatchRequest
from agentbatch.requests.spec.result import BatchError, BatchResult


class Estimate(NamedTuple):
    """What a batch may take, before it is sent."""

    requests: int
    input: int
    """Tokens, about."""
    output: int
    """Tokens, at most where requests say so, else what answers have on average."""
    cost: float | None
    """US dollars; None when a price is unknown."""


@dataclass(frozen=True)
class BatchRun:
    """A batch that has ended."""

    results: list[BatchResult]
    """In input order; what was not asked any more has an error with the code `stopped`, or `batch_timeout`."""
    stats: BatchStats
    stopped: str
    """Why it ended early, as a sentence; empty when it did not."""
    timed_out: bool = False
    """It ended early because the time of the whole batch was over."""


def whole_run(
    requests: Sequence[BatchRequest],
    results: Mapping[int, BatchResult],
    stats: BatchStats,
    stopped: str,
    *,
    timed_out: bool,
) -> BatchRun:
    """`results` by place; each of the requests that has none gets one that says why."""
    error = BatchError("batch_timeout" if timed_out else "stopped", stopped or "It was not asked any more.")
    whole = [
        results.get(index) or BatchResult(request.id, index, request.url, error=error, cost=0.0)
        for index, request in enumerate(requests)
    ]
    return BatchRun(whole, stats, stopped, timed_out)
