"""What happens after an iteration: accept, go on with which prompt, or end. Pure; tests are tables."""

from dataclasses import dataclass
from typing import Literal

from agentbatch.agent.progress import (
    SAME_STATE_CHANGES_APPROACH,
    SAME_STATE_STALLS,
    TaskPosition,
    times_seen_in_a_row,
)
from agentbatch.store.events import FinalStatus, Reason

EVALUATION_FAILURES = 2
"""Rounds in a row without a verdict after which the task ends."""


@dataclass(frozen=True)
class Continue:
    """Another iteration. `kind` chooses the wording of prompts/follow_up.md."""

    kind: Literal["follow_up", "change_approach"]


@dataclass(frozen=True)
class Done:
    status: FinalStatus
    reason: Reason
    error: str = ""
    """Why, as a sentence; empty when accepted."""


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


class TaskController:
    """Follows one task from iteration to iteration."""

    def __init__(self, max_iterations: int) -> None:
        self.max_iterations = max_iterations
        self.iteration = 0
        self._positions: list[TaskPosition] = []
        self._failures_in_a_row = 0

    def after_turn(self, evaluated: Evaluated) -> Continue | Done:
        """Decide. Order: accepted, blocked, no evaluation to be had, stalled, iteration limit."""
        self.iteration += 1
        if not evaluated.refusals:
            return Done("completed", "accepted")
        if evaluated.blocked:
            return Done("error", "blocked", _last(evaluated))
        failed = not evaluated.judged and bool(evaluated.failure)
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
        if self.iteration >= self.max_iterations:
            if failed:
                return Done("error", "evaluation_failed", evaluated.failure)
            error = f"Not accepted after {self.iteration} iterations. {_last(evaluated)}"
            return Done("timeout", "max_iterations", error)
        return Continue("change_approach" if same >= SAME_STATE_CHANGES_APPROACH else "follow_up")


def _last(evaluated: Evaluated) -> str:
    return evaluated.refusals[-1]
