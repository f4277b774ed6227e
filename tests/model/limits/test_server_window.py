"""Limits that the endpoint tells with its answers, against endpoints that count in different ways. No real time."""

import heapq
import math
import random
from collections import deque

import pytest

from agentbatch.model.limits.server_window import RateLimitInfo, ServerRateWindow


def test_nothing_is_held_back_before_anything_is_told() -> None:
    window = ServerRateWindow()
    for _ in range(1_000):
        window.spend(1, 0)
    assert window.free_at(10**9, 1) == -math.inf


@pytest.mark.parametrize(
    "told",
    [
        RateLimitInfo(0, 0),
        RateLimitInfo(-1, 5),
        RateLimitInfo(math.inf, 1),
        RateLimitInfo(1e15, 1),
        RateLimitInfo(10, -1),
        RateLimitInfo(10, 11),
    ],
)
def test_nonsense_is_not_heeded(told: RateLimitInfo) -> None:
    window = ServerRateWindow()
    window.update_from_headers(told, 0, 0, 0, 1)
    assert window.limit is None


def test_the_endpoints_count_is_believed() -> None:
    window = ServerRateWindow()
    window.update_from_headers(RateLimitInfo(10, 4), 2, 0, 1, 1)  # six used there, two more on their way
    assert window.free_at(2, 1) == -math.inf
    assert window.free_at(3, 1) > 1
    window.update_from_headers(RateLimitInfo(10, 9), 0, 1, 2, 2)
    assert window.free_at(9, 2) == -math.inf
    window.update_from_headers(RateLimitInfo(10, 1), 0, 2, 3, 3)  # others use the key as well
    assert window.free_at(2, 3) > 3


def test_what_an_older_request_was_told_counts_no_more() -> None:
    window = ServerRateWindow()
    window.update_from_headers(RateLimitInfo(10, 9), 0, 5, 6, 7)
    window.update_from_headers(RateLimitInfo(10, 0), 0, 4, 7, 6)
    assert window.free_at(9, 8) == -math.inf


def test_a_reset_only_shortens() -> None:
    window = ServerRateWindow()
    window.update_from_headers(RateLimitInfo(5, 0, 1.0), 0, 0, 0.1, 1)  # a limit of a second
    assert window.free_at(1, 0.2) == pytest.approx(1.1)
    assert window.free_at(5, 1.3) == -math.inf
    window.update_from_headers(RateLimitInfo(5, 0, 80_000.0), 0, 2, 2.1, 2)  # of a day
    assert 2 < window.free_at(1, 2.2) <= 2.2 + 61


def test_what_an_endpoint_asks_for_itself_rules_over_its_count() -> None:
    window = ServerRateWindow()
    window.update_from_headers(RateLimitInfo(5, 0, 55.0), 0, 0, 0.1, 1)
    assert window.free_at(1, 0.2) == pytest.approx(55.1)
    window.free_from(1.2, 0.2)  # a 429 with Retry-After 1
    assert window.free_at(1, 0.3) == pytest.approx(1.2)
    assert window.free_at(5, 1.2) == -math.inf


class Endpoint:
    """Counts as endpoints do: a sliding window, windows one after the other, or a bucket that refills."""

    def __init__(self, kind: str, limit: int, period: float) -> None:
        self.kind, self.limit, self.period = kind, limit, period
        self.passed: deque[float] = deque()
        self.bucket, self.filled = float(limit), 0.0
        self.answered = self.refused = 0

    def ask(self, now: float) -> RateLimitInfo:
        used = self._used(now)
        if used + 1 > self.limit:
            self.refused += 1
        else:
            self.answered += 1
            self.passed.append(now)
            self.bucket -= 1
            used += 1
        if self.kind == "bucket":
            reset = used / self.limit * self.period
        elif self.kind == "sliding":
            reset = self.passed[-1] + self.period - now if self.passed else 0.0
        else:
            reset = self.period - now % self.period
        return RateLimitInfo(self.limit, max(0, math.floor(self.limit - used)), reset)

    def _used(self, now: float) -> float:
        if self.kind == "bucket":
            self.bucket = min(self.limit, self.bucket + (now - self.filled) * self.limit / self.period)
            self.filled = now
            return self.limit - self.bucket
        start = now - self.period if self.kind == "sliding" else now - now % self.period
        while self.passed and self.passed[0] <= start:
            self.passed.popleft()
        return len(self.passed)


@pytest.mark.parametrize("kind", ["sliding", "fixed", "bucket"])
@pytest.mark.parametrize(("limit", "period"), [(600, 60.0), (10, 1.0), (14_400, 86_400.0)])
@pytest.mark.parametrize("at_once", [1, 50])
def test_ten_minutes_use_what_is_allowed_and_hardly_pass_it(
    kind: str, limit: int, period: float, at_once: int
) -> None:
    """Answers take 0.1 to 1 s. After a refusal nothing is sent for a second, then one probe until it is answered."""
    rng = random.Random(1)
    endpoint, window = Endpoint(kind, limit, period), ServerRateWindow()
    now, started, until = 0.0, 0, 600.0
    under_way: list[tuple[float, int, float, RateLimitInfo, bool]] = []
    cool, probing = 0.0, False
    while now < until:
        free = max(window.free_at(1, now), cool)
        if len(under_way) < (1 if probing else at_once) and free <= now:
            started += 1
            window.spend(1, now)
            before = endpoint.refused
            told = endpoint.ask(now + 0.01)
            end = now + rng.uniform(0.1, 1.0)
            heapq.heappush(under_way, (end, started, now, told, endpoint.refused > before))
            continue
        ends = under_way[0][0] if under_way else math.inf
        if free <= now or ends <= free:
            now, number, began, told, refused = heapq.heappop(under_way)
            window.update_from_headers(told, started - number, began, now, number)
            probing = refused or (probing and began < cool)
            cool = now + 1 if refused else cool
        else:
            now = free
    allowed = limit * until / period
    possible = at_once * until / 0.55
    share = 0.95 if period > 1 else 0.85  # of a second's limit more is lost: an answer takes as long as that
    assert endpoint.answered >= share * min(allowed, possible)
    if period < until:  # a used-up day is left to the 429's Retry-After, which the cooldown heeds
        assert endpoint.refused <= 0.02 * endpoint.answered + at_once
