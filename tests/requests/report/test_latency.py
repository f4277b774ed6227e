"""Durations in buckets."""

import random

import pytest

from agentbatch.requests.report.latency import GROWTH, Durations


def durations(*seconds: float) -> Durations:
    made = Durations()
    for one in seconds:
        made.add(one)
    return made


def test_nothing_has_no_durations() -> None:
    none = Durations()
    assert (none.count, none.mean, none.percentile(0.5), none.least, none.most) == (0, 0.0, 0.0, 0.0, 0.0)
    assert str(none) == "–"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.95, 0.99, 1.0])
def test_of_one_all_percentiles_are_it(share: float) -> None:
    assert durations(0.37).percentile(share) == pytest.approx(0.37)


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.95, 0.99, 1.0])
@pytest.mark.parametrize("spread", ["even", "long-tailed"])
def test_a_percentile_is_right_to_two_in_a_hundred(share: float, spread: str) -> None:
    rng = random.Random(1)
    given = [
        rng.uniform(0.01, 5.0) if spread == "even" else rng.lognormvariate(-1.0, 1.5) for _ in range(5_000)
    ]
    exact = sorted(given)[max(0, round(share * len(given)) - 1)]
    found = durations(*given).percentile(share)
    assert exact <= found * 1.000001
    assert found <= exact * GROWTH * 1.000001


def test_no_percentile_leaves_what_was_measured() -> None:
    some = durations(1.0, 1.001, 1.002)
    assert 1.0 <= some.percentile(0.0) <= some.percentile(0.5) <= some.percentile(1.0) <= 1.002


def test_durations_of_nothing_and_of_days() -> None:
    some = durations(0.0, 0.0, 200_000.0)
    assert (some.least, some.most, some.percentile(1.0)) == (0.0, 200_000.0, 200_000.0)
    assert some.percentile(0.5) <= 0.0001


def test_it_does_not_grow_with_their_number() -> None:
    rng = random.Random(1)
    many = durations(*(rng.uniform(0.05, 60.0) for _ in range(50_000)))
    assert many.count == 50_000
    assert len(many._buckets) < 400


def test_how_they_read() -> None:
    assert str(durations(2.0, 2.0)) == "avg 2.00 s, p50 2.00, p95 2.00, p99 2.00, min 2.00, max 2.00"
