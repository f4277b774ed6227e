"""What a processor is asked for and gives: an estimate before, the whole run after."""

from dataclasses import dataclass
from typing import NamedTuple

from agentbatch.requests.result import BatchResult
from agentbatch.requests.stats import BatchStats


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
    """In input order; what was not asked any more has an error with the code `stopped`."""
    stats: BatchStats
    stopped: str
    """Why it ended early, as a sentence; empty when it did not."""
