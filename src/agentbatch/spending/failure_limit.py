"""When a run stops for what failed: more failures than allowed, or an endpoint that is gone."""

import math
from dataclasses import dataclass
from fractions import Fraction

from agentbatch.text import counted

MAX_UNANSWERED_TASKS = 3
MAX_UNANSWERED_REQUESTS = 20
"""That fail in a row for want of an answer, each after all its retries, before the run stops."""


class Outage:
    """An endpoint is gone: one after another fails for want of an answer, and so would those that follow."""

    def __init__(self, most: int, noun: str) -> None:
        """`most` of `noun` (`task`, `request`) in a row stop the run."""
        self._most = most
        self._noun = noun
        self._in_a_row = 0
        self._answered = -1

    def unanswered(self, answered: int, *, refused: bool = False) -> str:
        """One more has failed for want of an answer. `answered`: how many answers the run has had so far;
        `refused`: the endpoint would not (403, 404). Returns why the run stops, as a sentence; empty: it does not."""
        self._in_a_row = self._in_a_row + 1 if answered == self._answered else 1
        self._answered = answered
        if self._in_a_row < self._most:
            return ""
        row = f"{self._in_a_row} {self._noun}s in a row"
        if refused:
            return f"The endpoint refuses: {row} were refused, and none was answered in between."
        return f"The endpoint does not answer: {row} failed, each after its retries."


@dataclass(frozen=True)
class FailureLimit:
    """`reached` decides; who counts is the engine."""

    most: int
    """So many failed tasks end the run."""
    flag: str = "--max-failures"
    """What set it, for the sentence."""
    noun: str = "task"
    """What fails."""

    @classmethod
    def parse(cls, text: str, total: int) -> "FailureLimit":
        """`3`, or `10%` of the run's `total` tasks, rounded up; at least 1. Takes what the setting takes, raises
        ValueError for anything else."""
        share = Fraction(text.removesuffix("%"))
        return cls(max(1, math.ceil(share * total / 100 if text.endswith("%") else share)))

    @classmethod
    def of(cls, max_failures: str | None, fail_fast: bool, total: int) -> "FailureLimit | None":
        """What the two flags say together: the first failure when `fail_fast`. None: no limit."""
        if fail_fast:
            return cls(1, "--fail-fast")
        return None if max_failures is None else cls.parse(max_failures, total)

    def reached(self, failed: int) -> str:
        """Why the run stops after so many failed tasks, as a sentence; empty: it does not."""
        if failed < self.most:
            return ""
        have = f"{self.noun} has" if failed == 1 else f"{self.noun}s have"
        than = (
            "as many as"
            if failed == self.most
            else "more than the " + counted(self.most, self.noun) + " that"
        )
        return f"{failed:,} {have} failed, {than} {self.flag} allows."
