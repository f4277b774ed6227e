"""A sliding window of what was spent in the last minute. Pure: time is an argument."""

import math
from collections import deque
from dataclasses import dataclass

WINDOW = 60.0
"""Seconds: what "a minute" means in requests/min and tokens/min. A sliding window, so no minute contains
more."""

MARGIN = 0.1
"""Seconds added to the window: a request reaches the server a little later than it starts here."""


@dataclass
class Spending:
    """One entry: when, and how much. An estimate is replaced by the actual with `RateWindow.change`."""

    at: float
    amount: float
    counted: bool = True
    """False once its minute is over."""


class RateWindow:
    """A limit on the sum of amounts in any minute. None: no limit. `seconds`: length of the window."""

    def __init__(self, limit: float | None, seconds: float = WINDOW) -> None:
        self.limit = limit
        self._horizon = seconds + MARGIN
        self._entries: deque[Spending] = deque()
        self._sum = 0.0

    def spend(self, amount: float, now: float) -> Spending:
        entry = Spending(now, amount)
        if self.limit is not None:
            self._entries.append(entry)
            self._sum += amount
        return entry

    def change(self, entry: Spending, amount: float) -> None:
        """Correct the amount of an entry."""
        if self.limit is not None and entry.counted:
            self._sum += amount - entry.amount
        entry.amount = amount

    def free_at(self, amount: float, now: float) -> float:
        """The earliest time at which `amount` fits; minus infinity when it fits now.

        An amount above the whole limit fits into an empty window: otherwise it could never start.
        """
        if self.limit is None:
            return -math.inf
        horizon = self._horizon
        while self._entries and self._entries[0].at + horizon <= now:
            self._drop()
        room = self.limit - self._sum
        if amount <= room or not self._sum:
            return -math.inf
        for entry in self._entries:
            room += entry.amount
            if amount <= room:
                return entry.at + horizon
        return self._entries[-1].at + horizon

    def _drop(self) -> None:
        """Drop the oldest entry."""
        oldest = self._entries.popleft()
        oldest.counted = False
        self._sum -= oldest.amount
