"""What happens after an endpoint's 429s: a pause, one probe, then a slow ramp-up. No I/O, no clock.

A server that refuses because too many requests are in flight would refuse most of a crowd again and again, until
the calls run out of retries. So after a burst of 429s concurrency starts low, doubles with every accepted round up
to half of what was too much, and grows slowly from there, as in TCP.
"""

import math
from collections.abc import Collection
from typing import Protocol

ACCEPTED_AFTER = 2.0
"""Seconds. A 429 arrives at once, an answer takes as long as its generation: a request that is still in flight
after this time was accepted."""


class Started(Protocol):
    """A request that was sent."""

    started_at: float
    accepted: bool


class Cooldown:
    """The state of one endpoint. Times are seconds of one clock."""

    def __init__(self) -> None:
        self.until = -math.inf
        self._since = -math.inf
        self._probe: Started | None = None
        self._probe_due = False
        self._ceiling: float | None = None
        """Current limit of requests in flight; None before the first 429."""
        self._threshold = 0.0

    def start(self, now: float, seconds: float) -> None:
        """Start nothing for `seconds`, or longer if an earlier 429 asked for more."""
        self.until = max(self.until, now + seconds)
        self._since = now
        self._probe_due = True
        self._probe = None

    def refused(self, request: Started, now: float, seconds: float, in_flight: Collection[Started]) -> None:
        """A 429. Only the first of a burst shows how many are too many; a refused probe only means "not yet"."""
        if request.started_at > self._since and request is not self._probe:
            accepted_before = now - ACCEPTED_AFTER
            self._threshold = len(in_flight) / 2
            self._ceiling = max(
                1.0, float(sum(r.accepted or r.started_at <= accepted_before for r in in_flight))
            )
        self.start(now, seconds)

    def free_at(self, now: float, in_flight: int) -> float:
        """When the next request may start; infinity when it depends on another request's end."""
        if now < self.until:
            return self.until
        full = self._ceiling is not None and in_flight >= int(self._ceiling)
        return math.inf if full or self._probe is not None else -math.inf

    def started(self, request: Started) -> bool:
        """True when it matters whether this request is still in flight after ACCEPTED_AFTER."""
        if self._probe_due:
            self._probe = request
        return self._probe_due or self._ceiling is not None

    def accepted(self, request: Started, answered: bool, limit: int | None) -> None:
        """The request was answered, or outlived ACCEPTED_AFTER. A ceiling of `limit` or more is dropped."""
        if self._ceiling is not None:
            # An answer also frees its own slot: either way two requests may follow one.
            doubling = 1.0 if answered else 2.0
            self._ceiling += doubling if self._ceiling < self._threshold else 1.0 / self._ceiling
            if limit is not None and self._ceiling >= limit:
                self._ceiling = None
        if request is self._probe:
            self._probe = None
            self._probe_due = False

    def ended(self, request: Started, cancelled: bool) -> None:
        """After a cancelled probe the next request probes. A probe that failed otherwise was accepted."""
        if request is self._probe:
            self._probe = None
            self._probe_due = cancelled
