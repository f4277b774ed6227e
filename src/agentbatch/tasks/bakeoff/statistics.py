"""What attempts say of success rates, and what they do not. Pure, no dependency: small tables of zeros and ones.

Sources: Wilson (1927) for a rate's interval, as Brown, Cai and DasGupta (2001, Statistical Science 16) recommend for
few trials; Chen et al. (2021, arXiv 2107.03374) for pass@k.
"""

import math
from typing import NamedTuple

LEVEL = 0.95
"""Of every interval."""

Z = 1.959963984540054
"""Standard normal quantile of 0.975."""


class Interval(NamedTuple):
    low: float
    high: float


def wilson(successes: int, trials: int, z: float = Z) -> Interval:
    """The score interval of a success rate; all of 0 to 1 where nothing was tried."""
    if not trials:
        return Interval(0.0, 1.0)
    rate, room = successes / trials, z * z / trials
    middle = (rate + room / 2) / (1 + room)
    half = z / (1 + room) * math.sqrt(rate * (1 - rate) / trials + room / (4 * trials))
    return Interval(
        0.0 if not successes else max(0.0, middle - half),
        1.0 if successes == trials else min(1.0, middle + half),
    )


def pass_at_k(successes: int, trials: int, k: int) -> float:
    """How likely one of `k` attempts at a task succeeds, unbiased, from `trials` >= `k` of them."""
    if not 1 <= k <= trials:
        raise ValueError(f"pass@{k} of {trials} attempts")
    return 1.0 - math.comb(trials - successes, k) / math.comb(trials, k)
