"""What an endpoint's 429s mean for the requests after them: a pause, one probe, and a slow return. No I/O,
no clock.

A server that refuses because too much is under way would refuse most of a crowd again and again, until its
calls run out of retries. So after a burst of 429s the number under way starts low, doubles with every round
that is let in up to half of what was too much, and creeps from there, as TCP does.
"""

import math
from collections.abc import Collection
from typing import Protocol

PROBE_PATIENCE = 2.0
"""Seconds. A 429 comes at once, an answer takes as long as it generates: a request that is still under way
after this long was let in."""


class Started(Protocol):
    """A request that was sent."""

    started_at: float
    let_in: bool


class Cooldown:
    """The state of one endpoint. Times are seconds of one clock."""

    def __init__(self) -> None:
        self.until = -math.inf
        self._since = -math.inf
        self._probe: Started | None = None
        self._probe_due = False
        self._ceiling: float | None = None
        """Requests under way that we allow ourselves; None before the first 429."""
        self._threshold = 0.0

    def start(self, now: float, seconds: float) -> None:
        """Nothing starts for `seconds`, or for longer where an earlier 429 asked for more."""
        self.until = max(self.until, now + seconds)
        self._since = now
        self._probe_due = True
        self._probe = None

    def refused(self, request: Started, now: float, seconds: float, under_way: Collection[Started]) -> None:
        """A 429. Only the first of a burst says how many are too many; a refused probe only says "not
        yet"."""
        if request.started_at > self._since and request is not self._probe:
            settled = now - PROBE_PATIENCE
            self._threshold = len(under_way) / 2
            self._ceiling = max(1.0, float(sum(r.let_in or r.started_at <= settled for r in under_way)))
        self.start(now, seconds)

    def free_at(self, now: float, under_way: int) -> float:
        """When the next request may start; infinity when only another one's end or luck can tell."""
        if now < self.until:
            return self.until
        full = self._ceiling is not None and under_way >= int(self._ceiling)
        return math.inf if full or self._probe is not None else -math.inf

    def started(self, request: Started) -> bool:
        """True when it matters whether this request is still under way after PROBE_PATIENCE."""
        if self._probe_due:
            self._probe = request
        return self._probe_due or self._ceiling is not None

    def let_in(self, request: Started, answered: bool, limit: int | None) -> None:
        """The request was answered, or outlived PROBE_PATIENCE. Past `limit` the ceiling has nothing left to
        say."""
        if self._ceiling is not None:
            # An answer also frees its own place: either way two requests may follow one.
            doubling = 1.0 if answered else 2.0
            self._ceiling += doubling if self._ceiling < self._threshold else 1.0 / self._ceiling
            if limit is not None and self._ceiling >= limit:
                self._ceiling = None
        if request is self._probe:
            self._probe = None
            self._probe_due = False

    def ended(self, request: Started, cancelled: bool) -> None:
        """A probe that was cancelled says nothing: the next request probes. One that failed otherwise was
        let in."""
        if request is self._probe:
            self._probe = None
            self._probe_due = cancelled
