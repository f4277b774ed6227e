"""Figures against published ones, against what they must be, and against truths that are known."""

import random
from collections.abc import Sequence

import pytest

from agentbatch.rehearsal.rehearsal_model import solves
from agentbatch.tasks.bakeoff.statistics import Settling, difference, pass_at_k, settling, wilson

ALL, NONE = [True] * 3, [False] * 3


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
        # Newcombe 1998, Statistics in Medicine 17: 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # The same table, method 4
        (81, 263, 0.2535, 0.3682),
        (15, 148, 0.0598, 0.1644),
        (0, 20, 0.0, 0.2005),
        (1, 29, 0.0018, 0.1963),
    ],
)
def test_wilson_with_the_continuity_correction(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials, corrected=True) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "trials", "k", "rate"),
    [(0, 3, 1, 0.0), (1, 3, 1, 1 / 3), (1, 3, 2, 2 / 3), (1, 3, 3, 1.0), (2, 5, 2, 0.7), (3, 3, 1, 1.0)],
)
def test_pass_at_k(successes: int, trials: int, k: int, rate: float) -> None:
    assert pass_at_k(successes, trials, k) == pytest.approx(rate)


def test_pass_at_k_needs_as_many_attempts() -> None:
    with pytest.raises(ValueError, match="pass@4 of 3 attempts"):
        pass_at_k(1, 3, 4)


@pytest.mark.parametrize(
    ("first", "second", "pairs", "shown"),
    [
        ([[True]], [[False]], 1, False),
        ([[True]] * 2, [[False]] * 2, 1, False),
        ([ALL] * 3, [NONE] * 3, 1, True),
        ([[True]] * 3, [[False]] * 3, 1, True),
        ([[True]] * 3, [[False]] * 3, 10, False),
        ([ALL, NONE], [ALL, NONE], 1, False),
        ([ALL] * 10, [ALL] * 10, 1, False),
        ([ALL] * 10, [ALL] * 9 + [NONE], 1, False),
        ([NONE] * 10, [[True, True, False]] * 10, 1, True),
    ],
)  # fmt: skip
def test_what_is_shown(
    first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]], pairs: int, shown: bool
) -> None:
    found, turned = difference(first, second, pairs), difference(second, first, pairs)
    assert (found.shown, turned.shown) == (shown, shown)
    assert found == difference(first, second, pairs), "the same figures from the same attempts"
    assert turned.value == -found.value
    assert found.interval.low <= found.value <= found.interval.high


def test_more_pairs_make_wider_intervals() -> None:
    alone, together = (
        difference([ALL, NONE] * 4, [NONE, ALL, NONE, NONE] * 2, pairs).interval for pairs in (1, 10)
    )
    assert together.low < alone.low < alone.high < together.high


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ([ALL, NONE], [ALL, NONE], Settling()),
        ([[True, True, False]] * 10, [[True, False, False]] * 10, Settling(attempts=4)),
        ([ALL] + [NONE] * 4, [NONE] * 5, Settling(tasks=32)),
    ],
)
def test_what_would_settle_it(
    first: Sequence[Sequence[bool]], second: Sequence[Sequence[bool]], found: Settling
) -> None:
    assert settling(first, second) == found


@pytest.mark.parametrize("rates", [(70, 70), (90, 50)])
def test_intervals_hold_the_truth_in_nineteen_of_twenty_comparisons(rates: tuple[int, int]) -> None:
    """Of rehearsal coders with known rates; 200 comparisons of eight tasks, three attempts each."""
    held = [0, 0]
    for number in range(200):
        first, second = (
            [
                [solves(f"rehearsal-coder-{rate}", f"{side} {number} {task}", seed) for seed in (1, 2, 3)]
                for task in range(8)
            ]
            for side, rate in enumerate(rates)
        )  # fmt: skip
        low, high = wilson(sum(map(sum, first)), 24)
        held[0] += low <= rates[0] / 100 <= high
        low, high = difference(first, second, draws=400).interval
        held[1] += low <= (rates[0] - rates[1]) / 100 <= high
    assert min(held) >= 190, held


def test_intervals_hold_where_tasks_are_unlike() -> None:
    """Hard ones and easy ones: what is held is the difference over all such tasks."""
    chance, held, shown = random.Random(16), 0, 0
    for _ in range(200):
        tasks = [chance.choice((0.1, 0.5, 0.9)) for _ in range(10)]
        first, second = ([[chance.random() < rate for _ in range(3)] for rate in tasks] for _ in range(2))
        found = difference(first, second, draws=400)
        held += found.interval.low <= 0 <= found.interval.high
        shown += found.shown
    assert held >= 190
    assert shown <= 10
