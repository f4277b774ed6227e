"""The limits of one endpoint, shared by every client on it: requests under way, requests and tokens a minute,
least time between starts, and the cooldown after a 429.

Waiting calls start in the order in which they first asked: a retried call keeps its place. They are woken by
timers and by calls that end; nothing polls.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from types import TracebackType

from agentbatch.model.clock import Clock, LoopClock, Timer
from agentbatch.model.rate_window import WINDOW, RateWindow, Spending

PROBE_PATIENCE = 2.0
"""Seconds. A 429 comes at once, an answer takes as long as it generates: a probe that is still under way
after this long was let in, and the others may follow."""

IN_FLIGHT = "in-flight limit"
REQUESTS = "requests/min"
TOKENS = "tokens/min"
THROTTLE = "throttle"
COOLDOWN = "rate limit (429)"

OnWait = Callable[[float, str], None]
"""Told the expected seconds (0: unknown) and the reason, when a call has to wait and when the reason
changes."""


class Slot:
    """The right to send one request; `async with` it. Leaving gives the place back."""

    def __init__(self, limits: "EndpointLimits", tokens: int, on_wait: OnWait | None, ticket: int) -> None:
        self.ticket = ticket
        self.tokens = tokens
        self.started_at = 0.0
        self.let_in = False
        """Not refused: it was answered, or is under way for longer than a refusal takes."""
        self.told = ""
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.spending: Spending | None = None
        self.on_wait = on_wait
        self._limits = limits

    def settle(self, actual: int) -> None:
        """Replace the reserved estimate by the tokens that the request really took: it was answered."""
        if self.spending is not None:
            self.spending.amount = max(0, actual)
        self._limits._let_in(self, answered=True)

    def refused(self, seconds: float) -> None:
        """The endpoint answered 429: it cools down for everyone, and this request cost no tokens."""
        if self.spending is not None:
            self.spending.amount = 0
        self._limits._refused(self, seconds)

    async def __aenter__(self) -> "Slot":
        self._limits._enqueue(self)
        try:
            await self.granted
        except asyncio.CancelledError:
            self._limits._abandon(self)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limits._release(self, cancelled=kind is not None and issubclass(kind, asyncio.CancelledError))

    def __lt__(self, other: "Slot") -> bool:
        return self.ticket < other.ticket


class EndpointLimits:
    """None and 0 mean no limit. One event loop only."""

    def __init__(
        self,
        max_in_flight: int | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
        throttle_ms: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.max_in_flight = max_in_flight
        self._requests = RateWindow(rpm)
        self._tokens = RateWindow(tpm)
        self._throttle = throttle_ms / 1000
        self._clock: Clock = clock or LoopClock()
        self._queue: list[Slot] = []
        self._tickets = itertools.count()
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._last_start = -float("inf")
        self._cool_until = -float("inf")
        self._cooled_at = -float("inf")
        self._probe_due = False
        self._probe: Slot | None = None
        self._under_way: set[Slot] = set()
        self._ceiling: float | None = None
        """Requests under way that we allow ourselves since a 429; it grows with every request that is let in."""
        self._threshold = 0.0
        """Up to here the ceiling doubles, above it creeps: half of what was under way at the 429."""

    @property
    def active(self) -> int:
        """Requests under way."""
        return len(self._under_way)

    @property
    def waiting(self) -> int:
        return sum(not slot.granted.done() for slot in self._queue)

    def ticket(self) -> int:
        """A place in the line, for a call that may have to ask several times."""
        return next(self._tickets)

    def slot(self, estimate: int, on_wait: OnWait | None = None, ticket: int | None = None) -> Slot:
        """`async with limits.slot(tokens) as slot:` waits for its turn, then holds a place until the block
        ends."""
        return Slot(self, estimate, on_wait, self.ticket() if ticket is None else ticket)

    def cool_down(self, seconds: float) -> None:
        """Start nothing for `seconds`; then one probe goes first, and the others follow when it was let
        in."""
        now = self._clock.now()
        self._cool_until = max(self._cool_until, now + seconds)
        self._cooled_at = now
        self._probe_due = True
        self._probe = None
        for waiter in self._queue:
            self._tell(waiter, self._cool_until - now, COOLDOWN)
        self._pump()

    def _enqueue(self, slot: Slot) -> None:
        heapq.heappush(self._queue, slot)
        self._pump()
        if not slot.granted.done():
            now = self._clock.now()
            until, reason = self._obstacle(slot, now)
            wait = max(0.0, until - now) if until < float("inf") else 0.0
            if reason == REQUESTS and self._requests.limit:
                wait += WINDOW * ((len(self._queue) - 1) // self._requests.limit)
            self._tell(slot, wait, reason)

    def _abandon(self, slot: Slot) -> None:
        """A waiting call was cancelled, perhaps in the moment between its grant and its waking."""
        if slot.spending is not None:
            slot.spending.amount = 0
            self._release(slot, cancelled=True)
        else:
            self._pump()

    def _release(self, slot: Slot, cancelled: bool) -> None:
        self._under_way.discard(slot)
        if slot is self._probe:
            self._probe = None
            self._probe_due = cancelled
        self._pump()

    def _let_in(self, slot: Slot, answered: bool) -> None:
        if slot.let_in or slot not in self._under_way:
            return
        slot.let_in = True
        if self._ceiling is not None:
            # An answer also frees its own place: either way two requests may follow one.
            doubling = 1.0 if answered else 2.0
            self._ceiling += doubling if self._ceiling < self._threshold else 1.0 / self._ceiling
            if self.max_in_flight is not None and self._ceiling >= self.max_in_flight:
                self._ceiling = None
        if slot is self._probe:
            self._probe = None
            self._probe_due = False
        self._pump()

    def _refused(self, slot: Slot, seconds: float) -> None:
        # Only the first 429 of a burst says how many are too many; a refused probe only says "not yet".
        if slot.started_at > self._cooled_at and slot is not self._probe:
            settled = self._clock.now() - PROBE_PATIENCE
            known = sum(other.let_in or other.started_at <= settled for other in self._under_way)
            self._threshold = self.active / 2
            self._ceiling = max(1.0, float(known))
        self._under_way.discard(slot)
        self.cool_down(seconds)

    def _obstacle(self, slot: Slot, now: float) -> tuple[float, str]:
        """Until when, and why, the head of the line has to wait; infinity when only another call's end can
        tell."""
        if now < self._cool_until:
            return self._cool_until, COOLDOWN
        if self._probe is not None:
            return float("inf"), COOLDOWN
        if self._ceiling is not None and self.active >= int(self._ceiling):
            return float("inf"), COOLDOWN
        if self.max_in_flight is not None and self.active >= self.max_in_flight:
            return float("inf"), IN_FLIGHT
        return max(
            (self._requests.free_at(1, now), REQUESTS),
            (self._tokens.free_at(slot.tokens, now), TOKENS),
            (self._last_start + self._throttle if self._throttle else -float("inf"), THROTTLE),
        )

    def _pump(self) -> None:
        """Start every call that may start; set the timer for the next one."""
        now = self._clock.now()
        while self._queue:
            head = self._queue[0]
            if head.granted.done():
                heapq.heappop(self._queue)
                continue
            until, reason = self._obstacle(head, now)
            if until > now:
                self._tell(head, until - now if until < float("inf") else 0.0, reason)
                if until < float("inf"):
                    self._wake_at(until)
                return
            heapq.heappop(self._queue)
            self._start(head, now)

    def _start(self, slot: Slot, now: float) -> None:
        self._under_way.add(slot)
        slot.started_at = now
        self._last_start = now
        self._requests.spend(1, now)
        slot.spending = self._tokens.spend(slot.tokens, now)
        if self._probe_due:
            self._probe = slot
        if self._probe_due or self._ceiling is not None:
            self._clock.call_at(now + PROBE_PATIENCE, lambda: self._let_in(slot, answered=False))
        slot.granted.set_result(None)

    def _wake_at(self, when: float) -> None:
        if self._timer is not None:
            if self._timer_at == when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._clock.call_at(when, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()

    @staticmethod
    def _tell(slot: Slot, seconds: float, reason: str) -> None:
        if slot.on_wait is not None and not slot.granted.done() and slot.told != reason:
            slot.told = reason
            slot.on_wait(seconds, reason)
