"""How many requests are under way at once, and how long they take."""

import random

import pytest

from agentbatch.requests.batch.adaptive import EPISODE, FIRST, AdaptiveConcurrency
from agentbatch.requests.report.latency import Durations


def test_slow_start_up_to_the_ceiling() -> None:
    adaptive = AdaptiveConcurrency(20)
    assert adaptive.value == FIRST
    for _ in range(FIRST):
        adaptive.succeeded(adaptive.value)
    assert adaptive.value == 2 * FIRST  # a round of successes doubles it
    for _ in range(100):
        adaptive.succeeded(adaptive.value)
    assert adaptive.value == adaptive.peak == 20


def test_one_cut_an_episode_and_one_more_a_round_from_there() -> None:
    adaptive = AdaptiveConcurrency(100, first=50)
    assert adaptive.refused(100.0)
    assert adaptive.value == 40
    assert not adaptive.refused(101.0)
    assert not adaptive.refused(100.0 + EPISODE - 0.1)
    assert adaptive.value == 40
    for _ in range(41):
        adaptive.succeeded(adaptive.value)
    assert adaptive.value == 41
    assert adaptive.refused(100.0 + EPISODE)
    assert adaptive.value == 32
    assert adaptive.episodes == 2


def test_a_long_retry_after_makes_a_long_episode() -> None:
    adaptive = AdaptiveConcurrency(100, first=50)
    adaptive.refused(0.0, retry_after=60.0)
    assert not adaptive.refused(59.0)
    assert adaptive.refused(60.0)


def test_a_storm_of_refusals_does_not_put_the_next_cut_off_for_ever() -> None:
    adaptive = AdaptiveConcurrency(100, first=50)
    cuts = sum(adaptive.refused(second / 10) for second in range(600))
    assert cuts == 4


def test_what_is_not_used_proves_nothing() -> None:
    adaptive = AdaptiveConcurrency(100, first=10)
    for _ in range(50):
        adaptive.succeeded(7)
    assert adaptive.value == 10
    adaptive.succeeded(8)
    assert adaptive.value == 11


def test_never_under_one() -> None:
    adaptive = AdaptiveConcurrency(1)
    for second in range(0, 1000, 20):
        adaptive.refused(second)
    assert adaptive.value == 1
    with pytest.raises(ValueError, match="at least one"):
        AdaptiveConcurrency(0)


def test_durations_in_few_buckets() -> None:
    rng = random.Random(1)
    values = [rng.expovariate(1.0) for _ in range(20_000)]
    durations = Durations()
    for value in values:
        durations.add(value)
    values.sort()
    for share in (0.01, 0.5, 0.95, 0.99):
        exact = values[int(share * len(values))]
        assert durations.percentile(share) == pytest.approx(exact, rel=0.04)
    assert durations.percentile(1.0) == durations.most == values[-1]
    assert durations.least == values[0]
    assert durations.mean == pytest.approx(sum(values) / len(values))
    assert len(durations._buckets) < 1_000


def test_no_durations_at_all() -> None:
    empty = Durations()
    assert (empty.mean, empty.percentile(0.5), empty.least, empty.most) == (0.0, 0.0, 0.0, 0.0)
    empty.add(0.0)
    assert empty.percentile(0.5) == 0.0
