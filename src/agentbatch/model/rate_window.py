"""How much was spent in the last minute, and when there is room for more. Pure: time is an argument."""

import math
from collections import deque
from dataclasses import dataclass

WINDOW = 60.0
"""Seconds: what "a minute" means in requests/min and tokens/min. A sliding window, so no minute holds
more."""

MARGIN = 0.1
"""Seconds added to the window: a request reaches the server a little later than it starts here."""


@dataclass
class Spending:
    """One entry: when, and how much. `amount` changes when an estimate is settled to the actual."""

    at: float
    amount: float


class RateWindow:
    """A limit on the sum of amounts in any minute. None: no limit."""

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._entries: deque[Spending] = deque()

    def spend(self, amount: float, now: float) -> Spending:
        entry = Spending(now, amount)
        if self.limit is not None:
            self._entries.append(entry)
        return entry

    def free_at(self, amount: float, now: float) -> float:
        """The earliest time at which `amount` fits; `now` or earlier when it fits at once.

        An amount above the whole limit fits into an empty window: it could never start otherwise.
        """
        if self.limit is None:
            return -math.inf
        horizon = WINDOW + MARGIN
        while self._entries and self._entries[0].at + horizon <= now:
            self._entries.popleft()
        room = self.limit - sum(entry.amount for entry in self._entries)
        if amount <= room:
            return -math.inf
        for entry in self._entries:
            room += entry.amount
            if amount <= room:
                return entry.at + horizon
        return self._entries[-1].at + horizon if self._entries else -math.inf
