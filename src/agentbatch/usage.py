"""Tokens of one or more model calls, and sums of what they cost."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from pydantic import BaseModel, ConfigDict

from agentbatch.text import UNKNOWN, tokens


class Usage(BaseModel):
    """Token counts as the endpoint reported them, or our estimate where it did not.

    `input` includes `cached`; `output` includes `reasoning` (the OpenAI convention).
    """

    model_config = ConfigDict(frozen=True)

    input: int = 0
    cached: int = 0
    """The part of `input` that the provider's prefix cache served."""
    written: int = 0
    """The part of `input` that was written into that cache, where the provider bills it apart."""
    written_hour: int = 0
    """The part of `written` that is kept for an hour instead of five minutes, and costs more."""
    audio_input: int = 0
    """The part of `input` that is sound."""
    output: int = 0
    reasoning: int = 0
    """The part of `output` spent on hidden reasoning."""
    audio_output: int = 0
    """The part of `output` that is sound."""
    calls: int = 0
    untold: int = 0
    """The part of `calls` of whose tokens nobody told anything: they are in none of the counts."""
    estimated: bool = False
    """True when at least one call's counts are our estimate; shown with ≈."""

    @property
    def total(self) -> int:
        return self.input + self.output

    @property
    def unknown(self) -> bool:
        """There were calls, and nobody told of one what it took."""
        return 0 < self.calls == self.untold

    @property
    def average(self) -> float | None:
        """Tokens of a call, of those that are known; None: there are none."""
        known = self.calls - self.untold
        return self.total / known if known > 0 else None

    def shown(self, count: int, *, narrow: bool = False) -> str:
        """One of its counts, or a mean of one, in words: `12,345`; `≈12,345`, an estimate; `≥12,345`, of some calls
        nobody told any; `–`, nobody told."""
        if self.untold:
            return f"≥{tokens(count, narrow=narrow)}" if count and not self.unknown else UNKNOWN
        return tokens(count, estimated=self.estimated and count > 0, narrow=narrow)

    def __add__(self, other: "Usage") -> "Usage":
        return sum_usage((self, other))

    def __sub__(self, before: "Usage") -> "Usage":
        """What came since `before`, which was a part of it."""
        parts = {name: getattr(self, name) - getattr(before, name) for name in COUNTS}
        return Usage(**parts, estimated=self.estimated)

    def document(self) -> dict[str, Any]:
        """As JSON for programs: results files, `--json`."""
        counts = {name: getattr(self, field) for name, field in NAMES.items()}
        return {
            "totalTokens": self.total,
            **{name: count for name, count in counts.items() if count or NAMES[name] not in RARE},
            "estimated": self.estimated,
        }


NAMES = {
    "promptTokens": "input",
    "completionTokens": "output",
    "cachedTokens": "cached",
    "reasoningTokens": "reasoning",
    "cacheWriteTokens": "written",
    "cacheWriteHourTokens": "written_hour",
    "audioInputTokens": "audio_input",
    "audioOutputTokens": "audio_output",
    "calls": "calls",
    "untoldCalls": "untold",
}
"""The counts as they are called in documents."""

RARE = frozenset({"written", "written_hour", "audio_input", "audio_output", "untold"})
"""Counts that a document has only where there are any."""

COUNTS = tuple(name for name in Usage.model_fields if name != "estimated")
"""The fields that are summed."""

_counts: Callable[[Usage], tuple[int, ...]] = attrgetter(*COUNTS)


def sum_usage(usages: Iterable[Usage]) -> Usage:
    """All of them, summed field by field: a run has as many as calls."""
    all_of_them = list(usages)
    sums = map(sum, zip(*map(_counts, all_of_them), strict=True))
    counts = dict(zip(COUNTS, sums, strict=False))  # none at all: no sums
    return Usage(**counts, estimated=any(usage.estimated for usage in all_of_them))


def sum_or_none(costs: Iterable[float | None]) -> float | None:
    """US dollars; None as soon as one of them is unknown."""
    every = list(costs)
    known = [cost for cost in every if cost is not None]
    return sum(known, 0.0) if len(known) == len(every) else None


def less(cost: float | None, before: float | None) -> float | None:
    """US dollars that were added since `before`; None when one of them is unknown."""
    return None if cost is None or before is None else cost - before
