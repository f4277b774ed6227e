"""What follows an iteration: accepted, another one with which kind of prompt, or the end; whether a task gets anywhere
from iteration to iteration. Pure; tests are tables."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple

from agentbatch.tasks.evaluator.evaluator import Done
from agentbatch.text import counted

EVALUATION_FAILURES = 2
"""Rounds in a row without a verdict after which the task ends."""

STUCK_CHANGES_APPROACH = 2
STUCK_STALLS = 3
"""Turns in a row that ended in a loop, whatever they did to the files."""


SAME_STATE_CHANGES_APPROACH = 2
SAME_STATE_STALLS = 3
"""Iterations in a row that left the same files with the same things missing."""

FollowUpKind = Literal["follow_up", "change_approach"]
"""The wording of prompts/follow_up.md for another iteration."""


class TaskPosition(NamedTuple):
    """Where a task stands after an iteration: the workspace's hash and what is missing, in any order."""

    digest: str
    missing: frozenset[str]

    @classmethod
    def of(cls, digest: str, missing: Iterable[str]) -> "TaskPosition":
        return cls(digest, frozenset(" ".join(item.casefold().split()) for item in missing))


@dataclass(frozen=True)
class Evaluated:
    """One iteration's evaluation, as far as the decision needs it."""

    position: TaskPosition
    refusals: tuple[str, ...]
    """Why it is not accepted; empty: accepted."""
    judged: bool
    """There is a valid verdict."""
    blocked: bool = False
    failure: str = ""
    """Why there is no verdict, when `judged` is false because the evaluator failed."""
    failed_check: str = ""
    """The verify command that failed."""
    stuck: bool = False
    """The turn was ended because the coder was stuck in a loop."""
    why: str = ""
    """The refusals in few words, the most telling first; empty: the last of them is."""

    def record(self) -> dict[str, Any]:
        """As JSON has it; `of` reads it."""
        position = {"digest": self.position.digest, "missing": sorted(self.position.missing)}
        return {**asdict(self), "position": position, "refusals": list(self.refusals)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Evaluated":
        """What `record` made, whatever else stands there."""
        position = TaskPosition(record["position"]["digest"], frozenset(record["position"]["missing"]))
        known = {field.name: record[field.name] for field in fields(cls) if field.name in record}
        return cls(**{**known, "position": position, "refusals": tuple(record["refusals"])})


class TaskController:
    """Follows one task from iteration to iteration."""

    def __init__(self, max_iterations: int, unjudged_failed_checks: int = 0) -> None:
        self.max_iterations = max_iterations
        self.unjudged_failed_checks = unjudged_failed_checks
        self.iteration = 0
        self._positions: list[TaskPosition] = []
        self._failures_in_a_row = 0
        self._stuck_in_a_row = 0
        self._failed_checks: list[str] = []
        """One an iteration; empty where none failed."""

    def judge_is_needed(self, failed_check: str, iteration: int) -> bool:
        """Whether a judge is to look at this iteration, whose turn ended in order, but whose check failed.

        The first few failures of a check in a row go straight back to the coder: a fact needs no judge. And after the
        last iteration there is no coder to whom the judge could speak.
        """
        if iteration >= self.max_iterations:
            return False
        same = 1
        for earlier in reversed(self._failed_checks):
            if earlier != failed_check:
                break
            same += 1
        return same > self.unjudged_failed_checks

    def after_turn(self, evaluated: Evaluated) -> FollowUpKind | Done:
        """Decide. Order: accepted, blocked, no evaluation, stalled, iteration limit."""
        self.iteration += 1
        self._failed_checks.append(evaluated.failed_check)
        self._stuck_in_a_row = self._stuck_in_a_row + 1 if evaluated.stuck else 0
        if not evaluated.refusals:
            return Done("completed", "accepted")
        if evaluated.blocked:
            return Done("error", "blocked", _last(evaluated))
        failed = not evaluated.judged and bool(evaluated.failure)
        if failed or evaluated.judged:
            self._failures_in_a_row = self._failures_in_a_row + 1 if failed else 0
        if self._failures_in_a_row >= EVALUATION_FAILURES:
            return Done("error", "evaluation_failed", evaluated.failure)
        same = 0
        if not failed:
            self._positions.append(evaluated.position)
            same = times_seen_in_a_row(self._positions)
        if same >= SAME_STATE_STALLS:
            error = f"No progress in {same} iterations: the same files, the same things missing. {_last(evaluated)}"
            return Done("error", "stalled", error)
        if self._stuck_in_a_row >= STUCK_STALLS:
            error = f"No progress: {self._stuck_in_a_row} turns in a row ended in circles. {_last(evaluated)}"
            return Done("error", "stalled", error)
        if self.iteration >= self.max_iterations:
            if failed:
                return Done("error", "evaluation_failed", evaluated.failure)
            error = f"Not accepted after {counted(self.iteration, 'iteration')}. {_last(evaluated)}"
            return Done("timeout", "max_iterations", error)
        repeats = same >= SAME_STATE_CHANGES_APPROACH or self._stuck_in_a_row >= STUCK_CHANGES_APPROACH
        return "change_approach" if repeats else "follow_up"


def _last(evaluated: Evaluated) -> str:
    return evaluated.why or evaluated.refusals[-1]


def times_seen_in_a_row(history: Iterable[TaskPosition]) -> int:
    """How many of the latest positions are equal."""
    latest: TaskPosition | None = None
    count = 0
    for position in history:
        count = count + 1 if position == latest else 1
        latest = position
    return count
