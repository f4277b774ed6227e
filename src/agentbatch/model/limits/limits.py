"""The limits of one endpoint, shared by all its clients: requests in flight, requests and tokens per minute,
minimum time between starts, and the cooldown after a 429.

Waiting calls start in the order of their first request: a retried call keeps its place. They are woken by timers and
by finished calls; nothing polls.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable

from agentbatch.model.limits.clock import Clock, LoopClock, Timer
from agentbatch.model.limits.cooldown import ACCEPTED_AFTER, Cooldown
from agentbatch.model.limits.rate_window import WINDOW, RateWindow, Spending
from agentbatch.model.limits.server_window import RateLimitInfo, ServerRateWindow

IN_FLIGHT = "in-flight limit"
REQUESTS = "requests/min"
TOKENS = "tokens/min"
THROTTLE = "throttle"
COOLDOWN = "rate limit (429)"
PAUSED = "pause"

NOTIFY_STEP = 1.0
"""Seconds by which a wait has to grow before it is reported again."""

OnWait = Callable[[float, str], None]
"""Called with the expected seconds (0: unknown) and the reason when a call has to wait, and again when the
reason changes or the wait grows."""


class Slot:
    """The right to send one request; `async with` it. Leaving the block releases it."""

    def __init__(self, limits: "EndpointLimits", tokens: int, on_wait: OnWait | None, ticket: int) -> None:
        self.ticket = ticket
        self.tokens = tokens
        self.started_at = 0.0
        self.number = 0
        """Requests started so far, this one included."""
        self.spent = 0
        """Tokens that all of those were estimated at."""
        self.accepted = False
        """Not refused: it was answered, or has been in flight for longer than a refusal takes."""
        self.notified = ("", -math.inf)
        """The reason and the end of the wait that `on_wait` was last called with."""
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.spending: Spending | None = None
        self.on_wait = on_wait
        self._limits = limits

    def settle(self, actual: int) -> None:
        """The request was answered: replace the reserved estimate by its actual tokens."""
        self._limits._settle(self, actual)
        self._limits._mark_accepted(self, answered=True)

    def refused(self, seconds: float, *, asked: bool = False) -> None:
        """The endpoint answered 429: a cooldown for all its clients; this request cost no tokens. `asked`: it named the
        seconds itself, and they count for more than what its headers say of its limits."""
        self._limits._settle(self, 0)
        self._limits._refused(self, seconds, asked)

    def update_from_headers(self, requests: RateLimitInfo | None, tokens: RateLimitInfo | None) -> None:
        """Apply the limits in the headers of this request's answer where none are configured. Call after `settle`."""
        self._limits._update_from_headers(self, requests, tokens)

    async def __aenter__(self) -> "Slot":
        self._limits._enqueue(self)
        try:
            await self.granted
        except asyncio.CancelledError:
            self._limits._abandon(self)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._limits._release(self, cancelled=kind is not None and issubclass(kind, asyncio.CancelledError))

    def __lt__(self, other: "Slot") -> bool:
        return self.ticket < other.ticket


class EndpointLimits:
    """None and 0 mean no limit: then the endpoint's own headers apply. One event loop only."""

    def __init__(
        self,
        max_in_flight: int | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
        throttle_ms: int = 0,
        clock: Clock | None = None,
        window: float = WINDOW,
    ) -> None:
        """`window`: seconds of a "minute"."""
        self.max_in_flight = max_in_flight
        self._window = window
        self._requests = RateWindow(rpm, window) if rpm else ServerRateWindow(window)
        self._tokens = RateWindow(tpm, window) if tpm else ServerRateWindow(window)
        self._started = 0
        self._spent = 0
        self._throttle = throttle_ms / 1000
        self._clock: Clock = clock or LoopClock()
        self._queue: list[Slot] = []
        self._tickets = itertools.count()
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._last_start = -math.inf
        self._cooldown = Cooldown()
        self._in_flight: set[Slot] = set()
        self._paused = False

    @property
    def active(self) -> int:
        """Requests in flight."""
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        return sum(not slot.granted.done() for slot in self._queue)

    @property
    def held(self) -> tuple[float, str] | None:
        """What the next call waits for that is no other call's end: seconds and the reason. None: it waits for nothing
        of the kind."""
        now = self._clock.now()
        head = next((slot for slot in self._queue if not slot.granted.done()), None)
        until, reason = self._obstacle(head, now) if head is not None else (-math.inf, "")
        return (until - now, reason) if now < until < math.inf else None

    def ticket(self) -> int:
        """A place in the queue, for a call that may need several slots one after another."""
        return next(self._tickets)

    def slot(self, estimate: int, on_wait: OnWait | None = None, ticket: int | None = None) -> Slot:
        """`async with limits.slot(tokens) as slot:` waits for its turn; the slot is released at the end of the
        block."""
        return Slot(self, estimate, on_wait, self.ticket() if ticket is None else ticket)

    def set_max_in_flight(self, number: int) -> None:
        """Change the limit; requests in flight continue."""
        self.max_in_flight = number
        self._pump()

    def pause(self) -> None:
        """Start nothing until `resume`, for all clients; requests in flight continue."""
        self._paused = True

    def resume(self) -> None:
        """End a pause, if there is one."""
        self._paused = False
        self._pump()

    def _enqueue(self, slot: Slot) -> None:
        heapq.heappush(self._queue, slot)
        self._pump()
        if not slot.granted.done():
            now = self._clock.now()
            until, reason = self._obstacle(slot, now)
            wait = max(0.0, until - now) if until < math.inf else 0.0
            if reason == REQUESTS and self._requests.limit:
                wait += self._window * ((len(self._queue) - 1) // self._requests.limit)
            self._notify(slot, now, wait, reason)

    def _abandon(self, slot: Slot) -> None:
        """A waiting call was cancelled, perhaps between its grant and its wake-up."""
        if slot in self._in_flight:
            self._settle(slot, 0)
            self._release(slot, cancelled=True)
        else:
            self._pump()

    def _release(self, slot: Slot, cancelled: bool) -> None:
        self._in_flight.discard(slot)
        self._cooldown.ended(slot, cancelled)
        self._pump()

    def _mark_accepted(self, slot: Slot, answered: bool) -> None:
        if not slot.accepted and slot in self._in_flight:
            slot.accepted = True
            self._cooldown.accepted(slot, answered, self.max_in_flight)
            self._pump()

    def _settle(self, slot: Slot, tokens: int) -> None:
        if slot.spending is not None:
            self._tokens.change(slot.spending, max(0, tokens))

    def _update_from_headers(
        self, slot: Slot, requests: RateLimitInfo | None, tokens: RateLimitInfo | None
    ) -> None:
        now = self._clock.now()
        for window, info, since in (
            (self._requests, requests, self._started - slot.number),
            (self._tokens, tokens, self._spent - slot.spent),
        ):
            if info is not None and isinstance(window, ServerRateWindow):
                window.update_from_headers(info, since, slot.started_at, now, slot.number)

    def _refused(self, slot: Slot, seconds: float, asked: bool) -> None:
        if asked:
            now = self._clock.now()
            for window in (self._requests, self._tokens):
                if isinstance(window, ServerRateWindow):
                    window.free_from(now + seconds, now)
        self._cooldown.refused(slot, self._clock.now(), seconds, self._in_flight)
        self._in_flight.discard(slot)
        now = self._clock.now()
        for waiter in self._queue:
            self._notify(waiter, now, self._cooldown.until - now, COOLDOWN)
        self._pump()

    def _obstacle(self, slot: Slot, now: float) -> tuple[float, str]:
        """Until when, and why, the head of the queue has to wait; infinity when it depends on another call's end."""
        if self._paused:
            return math.inf, PAUSED
        cool = self._cooldown.free_at(now, self.active)
        if cool > now:
            return cool, COOLDOWN
        if self.max_in_flight is not None and self.active >= self.max_in_flight:
            return math.inf, IN_FLIGHT
        return max(
            (self._requests.free_at(1, now), REQUESTS),
            (self._tokens.free_at(slot.tokens, now), TOKENS),
            (self._last_start + self._throttle if self._throttle else -math.inf, THROTTLE),
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
                self._notify(head, now, until - now if until < math.inf else 0.0, reason)
                if until < math.inf:
                    self._wake_at(until)
                return
            heapq.heappop(self._queue)
            self._start(head, now)

    def _start(self, slot: Slot, now: float) -> None:
        self._in_flight.add(slot)
        slot.started_at = now
        self._started += 1
        self._spent += slot.tokens
        slot.number, slot.spent = self._started, self._spent
        self._last_start = now
        self._requests.spend(1, now)
        slot.spending = self._tokens.spend(slot.tokens, now)
        if self._cooldown.started(slot):
            self._clock.call_at(now + ACCEPTED_AFTER, lambda: self._mark_accepted(slot, answered=False))
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
    def _notify(slot: Slot, now: float, seconds: float, reason: str) -> None:
        if slot.on_wait is None or slot.granted.done():
            return
        last_reason, until = slot.notified
        if reason != last_reason or now + seconds > until + NOTIFY_STEP:
            slot.notified = (reason, now + seconds)
            slot.on_wait(seconds, reason)
