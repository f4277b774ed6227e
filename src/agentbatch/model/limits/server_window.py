"""A per-minute limit learned from the endpoint's response headers. Pure: time is an argument."""

import math
from typing import NamedTuple

from agentbatch.model.limits.rate_window import MARGIN, WINDOW, RateWindow

MAX_LIMIT = 1e12
"""A limit above this is nonsense."""

TOLERANCE = 0.02
"""Share of the limit by which the endpoint's count may be above ours without being adopted: answers overtake each
other. Not applied when nothing remains."""

MIN_PERIOD = 1.0
"""Seconds: the shortest period that is assumed."""


class RateLimitInfo(NamedTuple):
    """One limit in an endpoint's response headers."""

    limit: float
    remaining: float
    reset: float | None = None
    """Seconds until the count starts from zero; None where the headers do not say."""


class ServerRateWindow(RateWindow):
    """No limit until the endpoint sends one; then its count replaces ours.

    So the limit's period does not matter, be it a second or a day: as long as something remains, the window is never
    full. When nothing remains, it waits for the endpoint's reset, but at most a minute: a daily limit does not stall a
    run here; the 429 says how long to wait.
    """

    def __init__(self, seconds: float = WINDOW) -> None:
        super().__init__(None, seconds)
        self._latest = -1.0
        self._max_horizon = seconds + MARGIN
        self._horizon = min(self._max_horizon, MIN_PERIOD)
        self._reset_at = math.inf
        self._reset_through = -math.inf

    def update_from_headers(
        self, info: RateLimitInfo, since: float, started_at: float, now: float, number: float
    ) -> None:
        """`since`: what was spent after the request that was answered, which started at `started_at` as the `number`th.
        Answers to older requests than the latest one are ignored."""
        if (
            number <= self._latest
            or not 1 <= info.limit <= MAX_LIMIT
            or not 0 <= info.remaining <= info.limit
        ):
            return
        self._latest = number
        self.limit = info.limit
        # A reset is never longer than the limit's period, and near the limit it is as long.
        period = self._max_horizon if info.reset is None else info.reset + MARGIN
        self._horizon = min(self._max_horizon, max(self._horizon, period))
        used = info.limit - info.remaining + since
        if used < self._sum:
            self._forget(self._sum - used)
        elif used > self._sum + min(TOLERANCE * info.limit, info.remaining):
            self.spend(used - self._sum, now)
        self._reset_at = math.inf if info.reset is None else now + max(0.0, info.reset)
        self._reset_through = started_at

    def free_from(self, moment: float, now: float) -> None:
        """The endpoint said itself when it takes the next request: what was spent until `now` counts no longer."""
        self._reset_at = min(self._reset_at, moment)
        self._reset_through = now

    def free_at(self, amount: float, now: float) -> float:
        if now >= self._reset_at:
            self._reset_at = math.inf
            while self._entries and self._entries[0].at <= self._reset_through:
                self._drop()
        return min(super().free_at(amount, now), self._reset_at)

    def _forget(self, amount: float) -> None:
        """Drop `amount`, oldest entries first."""
        while self._entries and amount > 0:
            oldest = self._entries[0]
            if oldest.amount <= amount:
                amount -= oldest.amount
                self._drop()
            else:
                self._sum -= amount
                oldest.amount -= amount
                return
