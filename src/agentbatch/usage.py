"""Tokens of one or more model calls, and sums of what they cost."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict


class Usage(BaseModel):
    """Token counts as the endpoint reported them, or our estimate where it did not.

    `input` includes `cached`; `output` includes `reasoning` (the OpenAI convention).
    """

    model_config = ConfigDict(frozen=True)

    input: int = 0
    cached: int = 0
    """The part of `input` that the provider's prefix cache served."""
    output: int = 0
    reasoning: int = 0
    """The part of `output` spent on hidden reasoning."""
    calls: int = 0
    estimated: bool = False
    """True when at least one call's counts are our estimate; shown with ≈."""

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: "Usage") -> "Usage":
        return sum_usage((self, other))

    def __sub__(self, before: "Usage") -> "Usage":
        """What came since `before`, which was a part of it."""
        return Usage(
            input=self.input - before.input,
            cached=self.cached - before.cached,
            output=self.output - before.output,
            reasoning=self.reasoning - before.reasoning,
            calls=self.calls - before.calls,
            estimated=self.estimated,
        )

    def document(self) -> dict[str, Any]:
        """As JSON for programs: results files, `--json`."""
        return {
            "totalTokens": self.total,
            "promptTokens": self.input,
            "completionTokens": self.output,
            "cachedTokens": self.cached,
            "reasoningTokens": self.reasoning,
            "calls": self.calls,
            "estimated": self.estimated,
        }


def sum_usage(usages: Iterable[Usage]) -> Usage:
    """All of them, summed field by field: a run has as many as calls."""
    all_of_them = list(usages)
    return Usage(
        input=sum(usage.input for usage in all_of_them),
        cached=sum(usage.cached for usage in all_of_them),
        output=sum(usage.output for usage in all_of_them),
        reasoning=sum(usage.reasoning for usage in all_of_them),
        calls=sum(usage.calls for usage in all_of_them),
        estimated=any(usage.estimated for usage in all_of_them),
    )


def sum_or_none(costs: Iterable[float | None]) -> float | None:
    """US dollars; None as soon as one of them is unknown."""
    total = 0.0
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def less(cost: float | None, before: float | None) -> float | None:
    """US dollars that were added since `before`; None when one of them is unknown."""
    return None if cost is None or before is None else cost - before
