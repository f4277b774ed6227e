import math

import pytest

from agentbatch.model.limits.rate_window import MARGIN, WINDOW, RateWindow

A_MINUTE = WINDOW + MARGIN


@pytest.mark.parametrize(
    ("spent", "amount", "now", "free_at"),
    [
        ([], 1, 0, -math.inf),
        ([], 99, 0, -math.inf),
        ([(0, 5)], 5, 1, -math.inf),
        ([(0, 5)], 6, 1, A_MINUTE),
        ([(0, 5), (10, 5)], 6, 11, 10 + A_MINUTE),
        ([(0, 8), (10, 2)], 6, 11, A_MINUTE),
        ([(0, 8), (10, 2)], 99, 11, 10 + A_MINUTE),
        ([(0, 0), (10, 0)], 99, 11, -math.inf),
        ([(0, 8), (10, 2)], 8, A_MINUTE, -math.inf),
    ],
)
def test_when_there_is_room(
    spent: list[tuple[float, float]], amount: float, now: float, free_at: float
) -> None:
    window = RateWindow(10)
    for at, used in spent:
        window.spend(used, at)
    assert window.free_at(amount, now) == free_at


def test_a_settled_amount_counts_from_then_on() -> None:
    window = RateWindow(10)
    entry = window.spend(10, 0)
    assert window.free_at(4, 1) == A_MINUTE
    window.change(entry, 6)
    assert window.free_at(4, 1) == -math.inf
    assert window.free_at(5, 1) == A_MINUTE


def test_an_amount_that_is_settled_after_its_minute_changes_nothing() -> None:
    window = RateWindow(10)
    entry = window.spend(10, 0)
    assert window.free_at(10, A_MINUTE) == -math.inf
    window.change(entry, 1)
    window.spend(10, A_MINUTE)
    assert window.free_at(1, A_MINUTE + 1) == 2 * A_MINUTE


def test_no_limit_never_waits_and_keeps_nothing() -> None:
    window = RateWindow(None)
    for _ in range(100):
        window.spend(10**9, 0)
    assert window.free_at(10**9, 0) == -math.inf
    assert not window._entries
