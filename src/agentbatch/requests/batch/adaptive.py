"""How many requests are under way: as many as the endpoint takes, found by trying. Pure: time is an argument."""

import math

FIRST = 4
"""Requests at once with which a batch begins, where its ceiling allows."""

CUT = 0.8
"""What is left after a rate-limit episode."""

EPISODE = 15.0
"""Seconds in which all refusals are one episode, and cut once; longer where Retry-After says so."""

USED = 0.8
"""Share of the allowed that must be under way for a success to count: what is not used proves nothing."""


class AdaptiveConcurrency:
    """Slow start (each round of successes doubles it), then one more a round; one cut an episode.

    A server error and an answer from the cache say nothing about how much is too much: they are not counted here.
    """

    def __init__(self, ceiling: int, *, first: int = FIRST) -> None:
        """`ceiling`: never more than this. Raises ValueError when it is under 1."""
        if ceiling < 1:
            raise ValueError("at least one request has to be under way")
        self.ceiling = ceiling
        self._value = float(min(first, ceiling))
        self._slow_start = True
        self._until = -math.inf
        self.peak = self.value
        """The most that was allowed so far."""
        self.episodes = 0
        """Times that the endpoint had too much."""

    @property
    def value(self) -> int:
        """Requests that may be under way."""
        return max(1, int(self._value))

    def set_ceiling(self, ceiling: int) -> None:
        """Never more than this from now on. A higher one is grown into."""
        self.ceiling = ceiling
        self._value = min(self._value, float(ceiling))

    def succeeded(self, under_way: int) -> None:
        """A request was answered while `under_way` were (it among them)."""
        if under_way < USED * self.value:
            return
        step = 1.0 if self._slow_start else 1.0 / self._value
        self._value = min(float(self.ceiling), self._value + step)
        self.peak = max(self.peak, self.value)

    def refused(self, now: float, retry_after: float | None = None) -> bool:
        """A 429, at `now` (seconds of a steady clock). Returns whether it began an episode."""
        begins = now >= self._until
        if begins:
            self.episodes += 1
            self._slow_start = False
            self._value = max(1.0, self._value * CUT)
            self._until = now + EPISODE
        self._until = max(self._until, now + (retry_after or 0.0))
        return begins
