"""The limits of one coder turn: when to warn the coder, when to end the turn."""

from dataclasses import dataclass
from typing import Literal

from agentbatch.tasks.coders.builtin.definition import CoderLimits

NEAR = 0.9
"""Share of a limit at which the coder is warned."""
LAST_STEPS = 5
"""Steps left at which the coder is warned, for turns of 20 steps and more."""

LimitName = Literal["step_limit", "token_limit", "cost_limit"]


@dataclass(frozen=True)
class TurnSpending:
    """What the turn has used up so far, and how far the task's wall clock is."""

    steps: int = 0
    tokens: int = 0
    cost: float | None = 0.0
    task_seconds: float = 0.0


def exceeded(limits: CoderLimits, spent: TurnSpending) -> LimitName | None:
    """The limit that ends the turn now, if any."""
    if spent.steps >= limits.steps:
        return "step_limit"
    if limits.tokens is not None and spent.tokens >= limits.tokens:
        return "token_limit"
    if limits.cost is not None and spent.cost is not None and spent.cost >= limits.cost:
        return "cost_limit"
    return None


def near(limits: CoderLimits, spent: TurnSpending, task_timeout: float | None) -> str:
    """One sentence for the coder when a limit is close; empty otherwise."""
    steps_left = limits.steps - spent.steps
    if steps_left <= min(LAST_STEPS, max(1, limits.steps // 4)):
        return f"You have {steps_left} step{'s' if steps_left != 1 else ''} left in this turn."
    if limits.tokens is not None and spent.tokens >= NEAR * limits.tokens:
        return f"You have used {spent.tokens:,} of {limits.tokens:,} tokens of this turn."
    if limits.cost is not None and spent.cost is not None and spent.cost >= NEAR * limits.cost:
        return f"You have used ${spent.cost:.2f} of ${limits.cost:.2f} of this turn."
    if task_timeout is not None and spent.task_seconds >= NEAR * task_timeout:
        left = max(0, round(task_timeout - spent.task_seconds))
        return f"About {left} seconds are left for this task."
    return ""
