import asyncio
import heapq
import itertools
from collections.abc import Callable

import pytest

from agentbatch.model.limits.cooldown import ACCEPTED_AFTER
from agentbatch.model.limits.limits import (
    COOLDOWN,
    IN_FLIGHT,
    REQUESTS,
    THROTTLE,
    TOKENS,
    EndpointLimits,
    Slot,
)
from agentbatch.model.limits.rate_window import MARGIN, WINDOW

A_MINUTE = WINDOW + MARGIN


class HandTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class HandClock:
    """A clock that moves only when told, and then runs what is due in order."""

    def __init__(self) -> None:
        self.time = 0.0
        self.timers_set = 0
        self._timers: list[tuple[float, int, HandTimer]] = []
        self._count = itertools.count()

    def now(self) -> float:
        return self.time

    def call_at(self, when: float, callback: Callable[[], None]) -> HandTimer:
        timer = HandTimer(callback)
        self.timers_set += 1
        heapq.heappush(self._timers, (when, next(self._count), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        until = self.time + seconds
        await spin()
        while self._timers and self._timers[0][0] <= until:
            self.time, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()
            await spin()
        self.time = until
        await spin()


async def spin() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Caller:
    """A call in its own task: waits for a slot, holds it until told, notes when it started."""

    def __init__(
        self, limits: EndpointLimits, clock: HandClock, tokens: int = 0, ticket: int | None = None
    ) -> None:
        self.started: float | None = None
        self.told: list[tuple[float, str]] = []
        self.slot: Slot
        self._end = asyncio.Event()
        self._limits, self._clock, self._tokens, self._ticket = limits, clock, tokens, ticket
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        on_wait = lambda seconds, reason: self.told.append((seconds, reason))  # noqa: E731
        async with self._limits.slot(self._tokens, on_wait, self._ticket) as slot:
            self.slot = slot
            self.started = self._clock.time
            await self._end.wait()

    def let_go(self) -> None:
        self._end.set()

    async def end(self) -> None:
        self.let_go()
        await spin()

    async def answered(self, tokens: int = 0) -> None:
        self.slot.settle(tokens)
        await self.end()

    async def refused(self, seconds: float) -> None:
        self.slot.refused(seconds)
        await self.end()

    async def cancel(self) -> None:
        self.task.cancel()
        await spin()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def callers(limits: EndpointLimits, clock: HandClock, count: int, tokens: int = 0) -> list[Caller]:
    made = [Caller(limits, clock, tokens) for _ in range(count)]
    await spin()
    return made


def starts(made: list[Caller]) -> list[float | None]:
    return [caller.started for caller in made]


async def test_without_limits_everything_starts_at_once(clock: HandClock) -> None:
    limits = EndpointLimits(clock=clock)
    made = await callers(limits, clock, 50)
    assert starts(made) == [0.0] * 50
    assert clock.timers_set == 0


async def test_in_flight_limit_is_first_come_first_served(clock: HandClock) -> None:
    limits = EndpointLimits(max_in_flight=2, clock=clock)
    made = await callers(limits, clock, 5)
    assert starts(made) == [0, 0, None, None, None]
    assert [c.told for c in made] == [[], [], [(0.0, IN_FLIGHT)], [(0.0, IN_FLIGHT)], [(0.0, IN_FLIGHT)]]
    clock.time = 1.0
    await made[1].end()
    assert starts(made) == [0, 0, 1, None, None]
    await made[0].end()
    assert starts(made) == [0, 0, 1, 1, None]
    assert limits.active == 2


async def test_requests_a_minute_never_pass_the_limit_in_any_minute(clock: HandClock) -> None:
    limits = EndpointLimits(rpm=3, clock=clock)
    made = await callers(limits, clock, 8)
    for caller in made[:3]:
        await caller.end()
    await clock.advance(200)
    assert starts(made) == [0, 0, 0] + [A_MINUTE] * 3 + [2 * A_MINUTE] * 2
    assert made[3].told == [(A_MINUTE, REQUESTS)]
    assert made[7].told[0][0] > A_MINUTE, "the last in line is told of more than one minute"


async def test_requests_a_minute_is_a_sliding_window(clock: HandClock) -> None:
    limits = EndpointLimits(rpm=2, clock=clock)
    first = await callers(limits, clock, 1)
    await clock.advance(40)
    rest = await callers(limits, clock, 3)
    await clock.advance(100)
    assert starts(first + rest) == [0, 40, A_MINUTE, 40 + A_MINUTE]


async def test_tokens_a_minute_reserve_the_estimate_and_settle_to_the_actual(clock: HandClock) -> None:
    limits = EndpointLimits(tpm=1000, clock=clock)
    made = await callers(limits, clock, 3, tokens=600)
    assert starts(made) == [0, None, None]
    assert made[1].told == [(A_MINUTE, TOKENS)]
    await made[0].answered(tokens=100)
    assert starts(made) == [0, 0, None], "the actual left room for the next estimate"
    await made[1].answered(tokens=900)
    await clock.advance(A_MINUTE)
    assert starts(made) == [0, 0, A_MINUTE]


async def test_a_request_above_the_whole_token_limit_waits_for_an_empty_minute(clock: HandClock) -> None:
    limits = EndpointLimits(tpm=1000, clock=clock)
    small = await callers(limits, clock, 1, tokens=10)
    await clock.advance(5)
    huge = await callers(limits, clock, 1, tokens=5000)
    await clock.advance(200)
    assert starts(small + huge) == [0, A_MINUTE]


async def test_a_large_head_is_not_overtaken_by_small_ones(clock: HandClock) -> None:
    limits = EndpointLimits(tpm=1000, clock=clock)
    first = await callers(limits, clock, 1, tokens=900)
    large = await callers(limits, clock, 1, tokens=800)
    small = await callers(limits, clock, 1, tokens=50)
    assert starts(first + large + small) == [0, None, None]
    await clock.advance(A_MINUTE)
    assert starts(large + small) == [A_MINUTE, A_MINUTE]


async def test_throttle_keeps_starts_apart(clock: HandClock) -> None:
    limits = EndpointLimits(throttle_ms=250, clock=clock)
    made = await callers(limits, clock, 4)
    await clock.advance(10)
    assert starts(made) == [0, 0.25, 0.5, 0.75]
    assert made[1].told == [(0.25, THROTTLE)]


async def test_waiting_sets_one_timer_a_start_and_never_polls(clock: HandClock) -> None:
    limits = EndpointLimits(rpm=1, clock=clock)
    await callers(limits, clock, 100)
    await clock.advance(50)
    assert clock.timers_set == 1


async def test_cancelled_waiters_lose_no_permit(clock: HandClock) -> None:
    limits = EndpointLimits(max_in_flight=1, clock=clock)
    made = await callers(limits, clock, 4)
    await made[1].cancel()
    await made[2].cancel()
    assert limits.waiting == 1
    await made[0].end()
    assert starts(made) == [0, None, None, 0]
    await made[3].end()
    assert limits.active == 0


async def test_a_waiter_cancelled_in_the_moment_of_its_grant_passes_the_permit_on(clock: HandClock) -> None:
    limits = EndpointLimits(max_in_flight=1, rpm=10, tpm=100, clock=clock)
    made = await callers(limits, clock, 3, tokens=50)
    made[0].let_go()
    for _ in range(10):
        if limits.waiting > 1:
            await asyncio.sleep(0)
    assert limits.waiting == 1
    made[1].task.cancel()  # granted, but its task has not run yet
    await spin()
    assert starts(made) == [0, None, 0]
    await made[2].end()
    assert limits.active == 0


async def test_a_cancelled_head_frees_those_behind_it(clock: HandClock) -> None:
    limits = EndpointLimits(tpm=1000, clock=clock)
    first = await callers(limits, clock, 1, tokens=900)
    large = await callers(limits, clock, 1, tokens=800)
    small = await callers(limits, clock, 1, tokens=50)
    await large[0].cancel()
    assert starts(first + large + small) == [0, None, 0]


async def test_a_cancelled_request_gives_its_place_back(clock: HandClock) -> None:
    limits = EndpointLimits(max_in_flight=1, clock=clock)
    made = await callers(limits, clock, 2)
    await made[0].cancel()
    assert starts(made) == [0, 0]


async def test_a_retried_call_keeps_its_place(clock: HandClock) -> None:
    limits = EndpointLimits(max_in_flight=1, clock=clock)
    early = limits.ticket()
    made = await callers(limits, clock, 3)
    retried = Caller(limits, clock, ticket=early)
    await spin()
    await made[0].end()
    assert retried.started == 0
    assert starts(made) == [0, None, None]


async def test_after_a_cooldown_one_probe_goes_first_and_the_herd_follows_its_answer(
    clock: HandClock,
) -> None:
    limits = EndpointLimits(max_in_flight=100, clock=clock)
    burst = await callers(limits, clock, 40)
    clock.time = 1.0
    await burst[0].refused(30)
    waiting = await callers(limits, clock, 20)
    for caller in burst[1:]:
        await caller.answered()
    assert waiting[5].told[0] == (30.0, COOLDOWN)
    await clock.advance(29.9)
    assert starts(waiting) == [None] * 20
    await clock.advance(0.2)
    assert starts(waiting) == [31.0] + [None] * 19, "one probe only"
    await waiting[0].answered()
    assert None not in starts(waiting)


async def test_calls_that_already_wait_are_told_of_the_cooldown(clock: HandClock) -> None:
    limits = EndpointLimits(max_in_flight=3, clock=clock)
    made = await callers(limits, clock, 4)
    await made[0].refused(12)
    assert made[3].told == [(0.0, IN_FLIGHT), (12.0, COOLDOWN)]
    await made[1].refused(12.5)
    await made[2].refused(40)
    assert made[3].told[2:] == [(40.0, COOLDOWN)], "half a second more is not worth an event"


async def test_a_refused_probe_cools_down_again(clock: HandClock) -> None:
    limits = EndpointLimits(clock=clock)
    made = await callers(limits, clock, 1)
    clock.time = 1.0
    await made[0].refused(10)
    waiting = await callers(limits, clock, 3)
    await clock.advance(10)
    assert starts(waiting) == [11, None, None]
    await waiting[0].refused(20)
    await clock.advance(19)
    assert starts(waiting) == [11, None, None]
    await clock.advance(1)
    assert starts(waiting) == [11, 31, None]


async def cool_down(limits: EndpointLimits, clock: HandClock, until: float) -> None:
    """One 429 among five requests that were accepted: there is room for as many again."""
    burst = await callers(limits, clock, 5)
    await clock.advance(ACCEPTED_AFTER + 1)
    await burst[0].refused(until - clock.time)
    for caller in burst[1:]:
        await caller.answered()


async def test_a_probe_that_is_still_under_way_after_a_while_was_let_in(clock: HandClock) -> None:
    limits = EndpointLimits(clock=clock)
    await cool_down(limits, clock, 10)
    waiting = await callers(limits, clock, 3)
    await clock.advance(10 - clock.time + ACCEPTED_AFTER / 2)
    assert starts(waiting) == [10, None, None]
    await clock.advance(ACCEPTED_AFTER)
    assert starts(waiting) == [10, 10 + ACCEPTED_AFTER, 10 + ACCEPTED_AFTER]


async def test_when_the_probe_is_cancelled_the_next_one_probes(clock: HandClock) -> None:
    limits = EndpointLimits(clock=clock)
    await cool_down(limits, clock, 10)
    waiting = await callers(limits, clock, 4)
    await clock.advance(10 - clock.time)
    await waiting[0].cancel()
    assert starts(waiting) == [10, 10, None, None]
    await waiting[1].end()
    assert None not in starts(waiting), "a probe that failed otherwise than by 429 was let in"


async def test_several_429s_cool_down_for_the_longest(clock: HandClock) -> None:
    limits = EndpointLimits(clock=clock)
    made = await callers(limits, clock, 3)
    clock.time = 1.0
    for caller, seconds in zip(made, (5, 60, 10), strict=True):
        await caller.refused(seconds)
    waiting = await callers(limits, clock, 1)
    await clock.advance(59)
    assert starts(waiting) == [None]
    await clock.advance(1)
    assert starts(waiting) == [61]


async def test_after_a_burst_of_429s_the_crowd_comes_back_slowly(clock: HandClock) -> None:
    limits = EndpointLimits(max_in_flight=16, clock=clock)
    burst = await callers(limits, clock, 16)
    clock.time = 1.0
    for caller in burst:
        await caller.refused(5)
    herd = await callers(limits, clock, 200)
    await clock.advance(5)
    under_way = [limits.active]
    for _ in range(4):
        await asyncio.gather(*(c.answered() for c in herd if c.started is not None and not c.task.done()))
        under_way.append(limits.active)
    assert under_way == [1, 2, 4, 8, 8], "doubling up to half of what was too much, then creeping"
    for _ in range(4):
        await asyncio.gather(*(c.answered() for c in herd if c.started is not None and not c.task.done()))
    assert 8 < limits.active < 14


async def test_a_refused_probe_says_nothing_about_how_many_are_too_many(clock: HandClock) -> None:
    limits = EndpointLimits(clock=clock)
    burst = await callers(limits, clock, 16)
    clock.time = 1.0
    for caller in burst:
        await caller.refused(5)
    herd = await callers(limits, clock, 200)
    await clock.advance(5)
    await herd[0].refused(5)
    await clock.advance(5)
    under_way = [limits.active]
    for _ in range(3):
        await asyncio.gather(*(c.answered() for c in herd if c.started is not None and not c.task.done()))
        under_way.append(limits.active)
    assert under_way == [1, 2, 4, 8]


async def test_what_is_long_under_way_counts_as_room_after_a_429(clock: HandClock) -> None:
    limits = EndpointLimits(clock=clock)
    long = await callers(limits, clock, 10)
    await clock.advance(60)
    late = await callers(limits, clock, 1)
    await late[0].refused(5)
    waiting = await callers(limits, clock, 3)
    await clock.advance(5 + ACCEPTED_AFTER)
    assert starts(waiting) == [None] * 3, "ten are let in, an eleventh was too many"
    await long[0].answered()
    await clock.advance(ACCEPTED_AFTER / 2)
    assert starts(waiting) == [67.0, None, None]


async def test_a_crowd_that_generates_for_long_still_comes_back_by_patience(clock: HandClock) -> None:
    limits = EndpointLimits(clock=clock)
    burst = await callers(limits, clock, 32)
    clock.time = 1.0
    for caller in burst:
        await caller.refused(5)
    await callers(limits, clock, 64)
    await clock.advance(5)
    seen = [limits.active]
    for _ in range(4):
        await clock.advance(ACCEPTED_AFTER)
        seen.append(limits.active)
    assert seen == [1, 3, 7, 15, 17], "nothing was answered yet, but nothing was refused either"


async def test_what_holds_the_next_call_is_told(clock: HandClock) -> None:
    limits = EndpointLimits(max_in_flight=2, rpm=2, clock=clock)
    first = await callers(limits, clock, 2)
    assert limits.held is None
    waiting = await callers(limits, clock, 1)
    assert limits.held is None  # for another call's end: that is no limit of the endpoint's
    for caller in first:
        await caller.answered()
    assert limits.held is not None
    assert (round(limits.held[0]), limits.held[1]) == (60, "requests/min")
    await waiting[0].cancel()
    assert limits.held is None
