"""Durations of any number of requests in a few kilobytes."""

import math

from agentbatch.text import UNKNOWN

GROWTH = 1.02
"""A percentile is right to 2 %: that of the buckets' bounds."""

MIN_SECONDS = 1e-4
"""Seconds; less counts as this."""


class Durations:
    """Counts durations in buckets of a geometric scale. Seconds."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.least = 0.0
        self.most = 0.0
        self._buckets: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        self.least = seconds if not self.count else min(self.least, seconds)
        self.most = max(self.most, seconds)
        self.count += 1
        self.total += seconds
        bucket = math.ceil(math.log(max(seconds, MIN_SECONDS) / MIN_SECONDS, GROWTH))
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    @property
    def mean(self) -> float:
        """0 when there is none."""
        return self.total / self.count if self.count else 0.0

    def __str__(self) -> str:
        if not self.count:
            return UNKNOWN
        return (
            f"avg {self.mean:.2f} s, p50 {self.percentile(0.5):.2f}, p95 {self.percentile(0.95):.2f}, "
            f"p99 {self.percentile(0.99):.2f}, min {self.least:.2f}, max {self.most:.2f}"
        )

    def percentile(self, share: float) -> float:
        """The duration that `share` (0 to 1) of all do not exceed, to 2 %; 0 when there is none."""
        wanted = share * self.count
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return min(self.most, max(self.least, MIN_SECONDS * GROWTH**bucket))
        return 0.0
