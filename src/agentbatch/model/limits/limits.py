"""The limits of one endpoint, shared by every client on it: requests under way, requests and tokens a minute,
least time between starts, and the cooldown after a 429.

Waiting calls start in the order in which they first asked: a retried call keeps its place. They are woken by
timers and by calls that end; nothing polls.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from types import TracebackType

from agentbatch.model.limits.clock import Clock, LoopClock, Timer
from agentbatch.model.limits.cooldown import PROBE_PATIENCE, Cooldown
from agentbatch.model.limits.learnt_window import RateLimitInfo, ServerRateWindow
from agentbatch.model.limits.rate_window import WINDOW, RateWindow, Spending

IN_FLIGHT = "in-flight limit"
REQUESTS = "requests/min"
TOKENS = "tokens/min"
THROTTLE = "throttle"
COOLDOWN = "rate limit (429)"
HELD = "pause"

WORTH_TELLING = 1.0
"""Seconds by which a wait has to grow before it is told again."""

OnWait = Callable[[float, str], None]
"""RateLimitInfo the expected seconds (0: unknown) and the reason, when a call has to wait, and again when the
reason changes or the wait grows."""


class Slot:
    """The right to send one request; `async with` it. Leaving gives the place back."""

    def __init__(self, limits: "EndpointLimits", tokens: int, on_wait: OnWait | None, ticket: int) -> None:
        self.ticket = ticket
        self.tokens = tokens
        self.started_at = 0.0
        self.number = 0
        """How many had started with it."""
        self.spent = 0
        """Tokens that all of those were expected to take."""
        self.let_in = False
        """Not refused: it was answered, or is under way for longer than a refusal takes."""
        self.told = ("", -math.inf)
        """The reason and the time that `on_wait` was last given."""
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.spending: Spending | None = None
        self.on_wait = on_wait
        self._limits = limits

    def settle(self, actual: int) -> None:
        """Replace the reserved estimate by the tokens that the request really took: it was answered."""
        self._limits._settle(self, actual)
        self._limits._let_in(self, answered=True)

    def refused(self, seconds: float) -> None:
        """The endpoint answered 429: it cools down for everyone, and this request cost no tokens."""
        self._limits._settle(self, 0)
        self._limits._refused(self, seconds)

    def update_from_headers(self, requests: RateLimitInfo | None, tokens: RateLimitInfo | None) -> None:
        """What the endpoint said of its limits, in its answer to this request; counts where we were given none. After
        `settle`."""
        self._limits._heed(self, requests, tokens)

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
    """None and 0 mean no limit; what the endpoint tells of its limits counts then. One event loop only."""

    def __init__(
        self,
        max_in_flight: int | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
        throttle_ms: int = 0,
        clock: Clock | None = None,
        window: float = WINDOW,
    ) -> None:
        """`window`: seconds that stand for the minute."""
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
        self._under_way: set[Slot] = set()
        self._held = False

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

    def set_max_in_flight(self, number: int) -> None:
        """How many requests may be under way from now on; those that are go on."""
        self.max_in_flight = number
        self._pump()

    def hold(self) -> None:
        """Start nothing until `go_on`, for anyone; what is under way goes on."""
        self._held = True

    def go_on(self) -> None:
        """After `hold`. Without one, nothing changes."""
        self._held = False
        self._pump()

    def cool_down(self, seconds: float) -> None:
        """Start nothing for `seconds`; then one probe goes first, and the others follow it."""
        self._cooldown.start(self._clock.now(), seconds)
        self._tell_all_and_pump()

    def _enqueue(self, slot: Slot) -> None:
        heapq.heappush(self._queue, slot)
        self._pump()
        if not slot.granted.done():
            now = self._clock.now()
            until, reason = self._obstacle(slot, now)
            wait = max(0.0, until - now) if until < math.inf else 0.0
            if reason == REQUESTS and self._requests.limit:
                wait += self._window * ((len(self._queue) - 1) // self._requests.limit)
            self._tell(slot, now, wait, reason)

    def _abandon(self, slot: Slot) -> None:
        """A waiting call was cancelled, perhaps in the moment between its grant and its waking."""
        if slot in self._under_way:
            self._settle(slot, 0)
            self._release(slot, cancelled=True)
        else:
            self._pump()

    def _release(self, slot: Slot, cancelled: bool) -> None:
        self._under_way.discard(slot)
        self._cooldown.ended(slot, cancelled)
        self._pump()

    def _let_in(self, slot: Slot, answered: bool) -> None:
        if not slot.let_in and slot in self._under_way:
            slot.let_in = True
            self._cooldown.let_in(slot, answered, self.max_in_flight)
            self._pump()

    def _settle(self, slot: Slot, tokens: int) -> None:
        if slot.spending is not None:
            self._tokens.change(slot.spending, max(0, tokens))

    def _heed(self, slot: Slot, requests: RateLimitInfo | None, tokens: RateLimitInfo | None) -> None:
        now = self._clock.now()
        for window, told, since in (
            (self._requests, requests, self._started - slot.number),
            (self._tokens, tokens, self._spent - slot.spent),
        ):
            if told is not None and isinstance(window, ServerRateWindow):
                window.update_from_headers(told, since, slot.started_at, now, slot.number)

    def _refused(self, slot: Slot, seconds: float) -> None:
        self._cooldown.refused(slot, self._clock.now(), seconds, self._under_way)
        self._under_way.discard(slot)
        self._tell_all_and_pump()

    def _tell_all_and_pump(self) -> None:
        now = self._clock.now()
        for waiter in self._queue:
            self._tell(waiter, now, self._cooldown.until - now, COOLDOWN)
        self._pump()

    def _obstacle(self, slot: Slot, now: float) -> tuple[float, str]:
        """Until when, and why, the head of the line has to wait; infinity when only another call's end can
        tell."""
        if self._held:
            return math.inf, HELD
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
                self._tell(head, now, until - now if until < math.inf else 0.0, reason)
                if until < math.inf:
                    self._wake_at(until)
                return
            heapq.heappop(self._queue)
            self._start(head, now)

    def _start(self, slot: Slot, now: float) -> None:
        self._under_way.add(slot)
        slot.started_at = now
        self._started += 1
        self._spent += slot.tokens
        slot.number, slot.spent = self._started, self._spent
        self._last_start = now
        self._requests.spend(1, now)
        slot.spending = self._tokens.spend(slot.tokens, now)
        if self._cooldown.started(slot):
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
    def _tell(slot: Slot, now: float, seconds: float, reason: str) -> None:
        if slot.on_wait is None or slot.granted.done():
            return
        told, until = slot.told
        if reason != told or now + seconds > until + WORTH_TELLING:
            slot.told = (reason, now + seconds)
            slot.on_wait(seconds, reason)
