"""When a batch of plain requests stops for what failed: an endpoint that is away, or more failures than allowed."""

from dataclasses import replace

from agentbatch.requests.spec.result import BatchResult
from agentbatch.spending.failure_limit import MAX_UNANSWERED_REQUESTS, FailureLimit, Outage

MIN_ENDED = 20
"""Requests that have ended before a share of them says anything."""


def too_many_failed(limit: str | None, failed: int, ended: int) -> str:
    """Why a batch with so many failures among what has ended stops, as a sentence; empty: it continues.

    `limit`: what `--max-failures` takes, `3` or `10%`; None: there is none. A percentage counts of what has ended, from
    MIN_ENDED on: a tenth of 100,000 requests would be a lot to lose unnoticed.
    """
    if limit is None or not failed:
        return ""
    allowed = replace(FailureLimit.parse(limit, ended), noun="request")
    if not limit.endswith("%"):
        return allowed.reached(failed)
    if ended < MIN_ENDED or not allowed.reached(failed):
        return ""
    have = "has" if failed == 1 else "have"
    return f"{failed:,} of {ended:,} requests {have} failed; {allowed.flag} ends a batch at {limit}."


UNANSWERED = frozenset({"transient", "denied", "model"})
"""Kinds of failure that every request may meet, and that say nothing of a request that meets one alone."""


class FailureWatch:
    """Gets the result of each request of a session, and says when too many failed."""

    def __init__(self, limit: str | None) -> None:
        """`limit`: as for `too_many_failed`."""
        self._limit = limit
        self._ended = 0
        self._failed = 0
        self._answered = 0
        self._outage = Outage(MAX_UNANSWERED_REQUESTS, "request")
        self.cause = ""
        """Why the batch has to stop, as a sentence; empty: it continues."""

    def add(self, result: BatchResult) -> bool:
        """A request has ended; whether the batch has to stop from here on."""
        self._ended += 1
        self._failed += not result.ok
        gone = ""
        if result.error is not None and result.error.kind in UNANSWERED:
            gone = self._outage.unanswered(self._answered, refused=result.error.kind != "transient")
        else:
            self._answered += 1
        if self.cause:
            return False
        self.cause = gone or too_many_failed(self._limit, self._failed, self._ended)
        return bool(self.cause)
