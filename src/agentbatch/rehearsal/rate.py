"""Requests a minute, as an endpoint counts them."""

from collections import deque


class RateWindow:
    """Lets `limit` requests pass in any `seconds`; refused ones are not counted."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit = max(1, int(limit))
        self._seconds = seconds
        self._passed: deque[float] = deque()

    def take(self, now: float) -> float:
        """0.0 when the request passes, else the seconds until one would. `now` is a monotonic clock's."""
        while self._passed and self._passed[0] <= now - self._seconds:
            self._passed.popleft()
        if len(self._passed) < self._limit:
            self._passed.append(now)
            return 0.0
        return self._passed[0] + self._seconds - now
