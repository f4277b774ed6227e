"""What attempts say of success rates, and what they do not. Pure: rates, intervals, and how much more would settle it.

Sources: a rate's interval is Wilson's (1927), as Brown, Cai and DasGupta (2001, Statistical Science 16) advise for few
trials; that of two rates' difference, by their own intervals, Newcombe's (1998, Statistics in Medicine 17: 873-890,
method 11, with the continuity correction); pass@k of Chen et al. (2021, arXiv 2107.03374); pairs over tasks, and how
many attempts a difference needs, Miller (2024, arXiv 2411.00640).
"""

import math
import random
from collections.abc import Sequence
from statistics import NormalDist, fmean, pvariance
from typing import NamedTuple

LEVEL = 0.95
"""Of every interval; of those of several pairs together."""
POWER = 0.8
"""How likely a difference of the size that was seen is to be shown by so many attempts as are advised."""

DRAWS = 2_000
"""Bootstrap samples of the tasks."""
MIN_DRAWS = 400
ROOM = 4_000_000
"""Tasks drawn for all pairs together: a second of a processor."""
SEED = 20240816
"""The same figures from the same attempts."""

Tries = Sequence[bool]
"""Of one model at one task: which of them solved it."""


class Interval(NamedTuple):
    low: float
    high: float


class Difference(NamedTuple):
    """Of two models' success rates, the mean over tasks."""

    value: float
    interval: Interval

    @property
    def shown(self) -> bool:
        """The attempts carry it: 0 is not in its interval."""
        return self.interval.low > 0 or self.interval.high < 0


def quantile(level: float) -> float:
    """Of the standard normal, for an interval of this level."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(successes: float, trials: int, level: float = LEVEL, *, corrected: bool = False) -> Interval:
    """The score interval of a success rate; all of 0 to 1 where nothing was tried. `corrected`: for continuity."""
    if not trials:
        return Interval(0.0, 1.0)
    z = quantile(level)

    def end(way: int) -> float:
        rate = successes / trials + (way / (2 * trials) if corrected else 0.0)
        root = math.sqrt(max(0.0, z * z / 4 + trials * rate * (1 - rate)))
        return (trials * rate + z * z / 2 + way * z * root) / (trials + z * z)

    low = 0.0 if successes <= 0 else max(0.0, end(-1))
    return Interval(low, 1.0 if successes >= trials else min(1.0, end(1)))


def pass_at_k(successes: int, trials: int, k: int) -> float:
    """How likely one of `k` attempts at a task succeeds, unbiased, from `trials` >= `k` of them."""
    if not 1 <= k <= trials:
        raise ValueError(f"pass@{k} of {trials} attempts")
    return 1.0 - math.comb(trials - successes, k) / math.comb(trials, k)


def difference(
    first: Sequence[Tries], second: Sequence[Tries], pairs: int = 1, draws: int = DRAWS
) -> Difference:
    """Of two models at the same tasks, in the same order, each tried at least once. `pairs`: that are compared, all of
    whose intervals together are to hold with LEVEL (Bonferroni).

    The interval is the wider, at each end, of two: one by bootstrap over the tasks (percentiles), which knows how tasks
    differ, and one by the attempts alone, which knows how little a few of them say: a bootstrap of three tasks that all
    went one way has no width.
    """
    level = 1 - (1 - LEVEL) / pairs
    differences = [fmean(one) - fmean(other) for one, other in zip(first, second, strict=True)]
    value = fmean(differences)
    over_tasks = _bootstrap(
        differences, level, max(MIN_DRAWS, min(draws, ROOM // (len(differences) * pairs)))
    )
    (rate, ends), (other_rate, other_ends) = (_corrected(tries, level) for tries in (first, second))
    low = value - math.hypot(rate - ends.low, other_ends.high - other_rate)
    high = value + math.hypot(ends.high - rate, other_rate - other_ends.low)
    return Difference(
        value, Interval(max(-1.0, min(low, over_tasks.low)), min(1.0, max(high, over_tasks.high)))
    )


def _corrected(tries: Sequence[Tries], level: float) -> tuple[float, Interval]:
    """The mean rate over tasks, and the interval that so many attempts give it."""
    rate, count = fmean(map(fmean, tries)), sum(map(len, tries))
    return rate, wilson(rate * count, count, level, corrected=True)


def _bootstrap(differences: Sequence[float], level: float, draws: int) -> Interval:
    count = len(differences)
    chance = random.Random(SEED)
    means = sorted(sum(chance.choices(differences, k=count)) / count for _ in range(draws))
    place = int((1 - level) / 2 * draws)
    return Interval(means[place], means[draws - 1 - place])


class Settling(NamedTuple):
    """What would show a difference of the size that was seen. One of the two, or neither: there was none."""

    attempts: int | None = None
    """Of each model at each task."""
    tasks: int | None = None
    """Where more attempts alone would not do: so many tasks, with as many attempts as now."""


def settling(first: Sequence[Tries], second: Sequence[Tries], pairs: int = 1) -> Settling:
    """By the normal approximation, with POWER. As in `difference`."""
    differences = [fmean(one) - fmean(other) for one, other in zip(first, second, strict=True)]
    seen, tasks = abs(fmean(differences)), len(differences)
    if not seen:
        return Settling()
    allowed = (seen / (quantile(1 - (1 - LEVEL) / pairs) + NormalDist().inv_cdf(POWER))) ** 2
    within = _within(first) + _within(second)
    each = fmean(len(tries) for tries in (*first, *second))
    between = max(0.0, pvariance(differences) - within / each)
    room = allowed * tasks - between
    if room <= 0:
        return Settling(tasks=max(tasks + 1, math.ceil((between + within / each) / allowed)))
    return Settling(attempts=max(math.floor(each) + 1, math.ceil(within / room)))


def _within(tries: Sequence[Tries]) -> float:
    """How one attempt at a task varies, the mean over tasks; never nothing: each task's rate is drawn a little to that
    of all."""
    count = sum(map(len, tries))
    whole = (sum(map(sum, tries)) + 1) / (count + 2)
    rates = [(sum(one) + whole) / (len(one) + 1) for one in tries]
    return fmean(rate * (1 - rate) for rate in rates)
