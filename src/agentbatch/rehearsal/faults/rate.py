"""Rate limits as an endpoint counts them."""

from collections import deque


class RateWindow:
    """Allows `limit` requests in any `seconds`; refused ones are not counted."""

    def __init__(self, limit: float, seconds: float) -> None:
        self._limit = max(1, int(limit))
        self._seconds = seconds
        self._passed: deque[float] = deque()

    def take(self, now: float) -> float:
        """0.0 when the request is allowed, else the seconds until one would be. `now`: of a monotonic clock."""
        while self._passed and self._passed[0] <= now - self._seconds:
            self._passed.popleft()
        if len(self._passed) < self._limit:
            self._passed.append(now)
            return 0.0
        return self._passed[0] + self._seconds - now


class AmountWindow:
    """As RateWindow, for amounts: at most `limit` in any `seconds`. 0: no limit."""

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit = limit
        self.sum = 0.0
        self._seconds = seconds
        self._entries: deque[tuple[float, float]] = deque()

    def wait(self, amount: float, now: float) -> float:
        """0.0 when it fits, else the seconds until it does; more than the limit fits into an empty window."""
        if not self.limit:
            return 0.0
        while self._entries and self._entries[0][0] <= now - self._seconds:
            self.sum -= self._entries.popleft()[1]
        room = self.limit - self.sum
        if amount <= room or not self._entries:
            return 0.0
        for at, spent in self._entries:
            room += spent
            if amount <= room:
                return at + self._seconds - now
        return self._entries[-1][0] + self._seconds - now

    def add(self, amount: float, now: float) -> None:
        if self.limit:
            self._entries.append((now, amount))
            self.sum += amount

    def reset(self, now: float) -> float:
        """Seconds until the window is empty."""
        return max(0.0, self._entries[-1][0] + self._seconds - now) if self._entries else 0.0
