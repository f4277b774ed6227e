"""A limit a minute that nobody gave us: the endpoint tells it with its answers. Pure: time is an argument."""

import math
from typing import NamedTuple

from agentbatch.model.limits.rate_window import MARGIN, WINDOW, RateWindow

MOST = 1e12
"""A limit above this is nonsense."""

NOISE = 0.02
"""Share of the limit by which the endpoint's count may be above ours before we believe it: answers overtake each
other on their way. Not where nothing remains."""


LEAST = 1.0
"""Seconds: the shortest period that is assumed."""


class RateLimitInfo(NamedTuple):
    """What an endpoint says of one limit."""

    limit: float
    remaining: float
    reset: float | None = None
    """Seconds until nothing counts any more; None where it does not say."""


class ServerRateWindow(RateWindow):
    """No limit until the endpoint tells one; then its count is believed, not ours.

    So it does not matter what the limit's period is. Of one second, or of a day: as long as something remains, the
    window is never full. When nothing remains, it waits for the endpoint's reset, and for a minute at most: a limit of
    a day does not stall a run here, it is left to the 429 to say how long.
    """

    def __init__(self, seconds: float = WINDOW) -> None:
        super().__init__(None, seconds)
        self._latest = -1.0
        self._longest = seconds + MARGIN
        self._horizon = min(self._longest, LEAST)
        self._reset_at = math.inf
        self._reset_through = -math.inf

    def update_from_headers(
        self, told: RateLimitInfo, since: float, started_at: float, now: float, number: float
    ) -> None:
        """`since`: what was spent after the request that this is the answer to, which started at `started_at` as the
        `number`th. An answer to an older request than the latest one counts for nothing."""
        if number <= self._latest or not 1 <= told.limit <= MOST or not 0 <= told.remaining <= told.limit:
            return
        self._latest = number
        self.limit = told.limit
        # No endpoint's reset is longer than its period, and near the limit it is as long.
        period = self._longest if told.reset is None else told.reset + MARGIN
        self._horizon = min(self._longest, max(self._horizon, period))
        used = told.limit - told.remaining + since
        if used < self._sum:
            self._forget(self._sum - used)
        elif used > self._sum + min(NOISE * told.limit, told.remaining):
            self.spend(used - self._sum, now)
        self._reset_at = math.inf if told.reset is None else now + max(0.0, told.reset)
        self._reset_through = started_at

    def free_at(self, amount: float, now: float) -> float:
        if now >= self._reset_at:
            self._reset_at = math.inf
            while self._entries and self._entries[0].at <= self._reset_through:
                self._drop()
        return min(super().free_at(amount, now), self._reset_at)

    def _forget(self, amount: float) -> None:
        """The oldest first."""
        while self._entries and amount > 0:
            oldest = self._entries[0]
            if oldest.amount <= amount:
                amount -= oldest.amount
                self._drop()
            else:
                self._sum -= amount
                oldest.amount -= amount
                return
