"""One sentence of advice after a batch, where a knob was clearly wrong. Pure."""

import math
from dataclasses import dataclass

ENOUGH = 20
"""Attempts, or requests, from which figures say something."""

HIGH_REFUSALS = 0.1
"""Share of 429s from which more patience is worth it: every tenth call was for nothing."""

MAX_PAUSE = 2_000
"""Milliseconds that --throttle-ms takes."""

WORTH_ADVICE = 10.0
"""Seconds; who waited less does not mind."""


@dataclass(frozen=True)
class Figures:
    """What advice is made from."""

    requests: int
    seconds: float
    """Of this session."""
    attempts: int
    refused: int
    """Attempts that were answered 429."""
    failed_packs: float = 0.0
    """Share of the packed items that had to be asked again."""
    concurrency: int = 10
    batch_size: int = 1
    limited: bool = False
    """The user held it back: requests or tokens a minute, or a pause."""


def wanted_concurrency(requests: int) -> tuple[int, int]:
    """Requests at once that suit a batch of this size: 2-3 under 20, 4-6 up to 100, 6-8 above (a ceiling above that
    costs nothing: the pace is found by trying)."""
    return (2, 3) if requests < ENOUGH else (4, 6) if requests <= 100 else (6, 8)


def wanted_batch_size(requests: int) -> tuple[int, int]:
    """Items a call that suit a batch of this size: 1-2 under 20, 3-5 up to 100, 5-8 above."""
    return (1, 2) if requests < ENOUGH else (3, 5) if requests <= 100 else (5, 8)


def advice_for(figures: Figures) -> str:
    """A sentence, or nothing when the knobs were well set or nothing can be said."""
    refusals = figures.refused / figures.attempts if figures.attempts else 0.0
    if figures.attempts >= ENOUGH and refusals > HIGH_REFUSALS:
        return f"{refusals:.0%} of the calls were answered 429: {_slower(figures)}."
    if figures.batch_size > 1 and figures.requests >= ENOUGH and figures.failed_packs > HIGH_REFUSALS:
        return (
            f"{figures.failed_packs:.0%} of the items had to be asked again: --batch-size "
            f"{max(1, figures.batch_size // 2)} costs less than what is asked twice."
        )
    least, most = wanted_concurrency(figures.requests)
    slow = figures.seconds >= WORTH_ADVICE and not figures.limited and not figures.refused
    if slow and figures.requests >= ENOUGH and figures.concurrency < least:
        return (
            f"Nothing was refused at {figures.concurrency} at once: a batch of this size goes faster with "
            f"--concurrency {most} or more."
        )
    return ""


def _slower(figures: Figures) -> str:
    """As slow as the endpoint let through."""
    taken = figures.attempts - figures.refused
    if taken <= 0 or figures.seconds <= 0:
        return "set --rpm to what the endpoint allows"
    pause = math.ceil(figures.seconds / taken * 100) * 10
    per_minute = max(1, math.floor(taken / figures.seconds * 60))
    return f"set --rpm {per_minute:,}".replace(",", "") + (
        f" or --throttle-ms {pause}" if pause <= MAX_PAUSE else ""
    )
