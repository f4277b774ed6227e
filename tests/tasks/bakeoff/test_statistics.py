"""Figures against published ones, and against what they must be."""

import pytest

from agentbatch.tasks.bakeoff.statistics import pass_at_k, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Statistics in Medicine 17: 857-872, table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "trials", "k", "rate"),
    [(0, 3, 1, 0.0), (1, 3, 1, 1 / 3), (1, 3, 2, 2 / 3), (1, 3, 3, 1.0), (2, 5, 2, 0.7), (3, 3, 1, 1.0)],
)
def test_pass_at_k(successes: int, trials: int, k: int, rate: float) -> None:
    assert pass_at_k(successes, trials, k) == pytest.approx(rate)


def test_pass_at_k_needs_as_many_attempts() -> None:
    with pytest.raises(ValueError, match="pass@4 of 3 attempts"):
        pass_at_k(1, 3, 4)
