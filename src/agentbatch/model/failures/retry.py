"""Whether and when a failed call is retried. Pure: no clock, no sleeping."""

from random import Random
from typing import NamedTuple

from agentbatch.model.refusals.meanings import meaning_of
from agentbatch.model.refusals.overflow import is_overflow
from agentbatch.model.refusals.server_error import ServerError
from agentbatch.model.reply import ErrorKind

TRANSIENT_STATUSES = frozenset({408, 409, 425, 499})
"""With all of 5xx: what may succeed a moment later. 499: Google's CANCELLED."""


class RetryPolicy(NamedTuple):
    """How often and how long: 3 retries after 5, 10 and 20 s (BatchRunner's schedule), at most a minute
    each."""

    max_retries: int = 3
    delay: float = 5.0
    """Seconds before the first retry, before jitter."""
    factor: float = 2.0
    cap: float = 60.0
    """Seconds. Longest wait of our own; a server's Retry-After may be longer."""

    def backoff(self, attempt: int, rng: Random, at_least: float | None = None) -> float:
        """Seconds to wait after failed attempt `attempt` (from 1): anything up to 5, 10, 20 s (full jitter),
        never under `at_least`, which is the server's Retry-After."""
        exponent = min(max(attempt, 1) - 1, 60)
        ceiling = min(self.delay * self.factor**exponent, max(self.cap, self.delay))
        return max(rng.uniform(0.0, ceiling), at_least or 0.0)


def classify(error: ServerError | None) -> ErrorKind:
    """The retry class of a failure. None: no usable answer (connection, timeout, garbage)."""
    if error is None:
        return "transient"
    status = error.status
    if is_overflow(error):
        return "overflow"
    names = {one.name for one in error.fields} | {f"{one.name}={one.value}" for one in error.fields}
    known = meaning_of(status, error.codes, error.words, names)
    if known is not None:
        return known
    if status in (401, 402):
        return "endpoint"
    if status in (403, 404):
        return "denied"
    if status == 429:
        return "rate"
    if status in TRANSIENT_STATUSES or status >= 500 or status < 300:
        return "transient"
    return "request"
