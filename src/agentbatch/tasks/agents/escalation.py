"""Stronger models for later iterations: which model a coder has when. Pure."""

from collections.abc import Iterable, Sequence

from agentbatch.tasks.agents.definition import Escalation
from agentbatch.tasks.spec.plan import PlannedTask


def escalated(steps: Sequence[Escalation], first: str, iteration: int) -> str:
    """The coder's model in this iteration, counted from 1, of a task that began with `first`: all iterations before it
    were not accepted."""
    reached = [step.model for step in steps if iteration > step.after]
    return reached[-1] if reached else first


def coder_models(tasks: Iterable[PlannedTask], default: str, steps: Sequence[Escalation]) -> tuple[str, ...]:
    """Every model that may be asked as a coder, each once, the run's own first: for prices and tool modes. Steps that
    no task has iterations for are left out."""
    planned = tuple(tasks)
    longest = max((task.max_iterations for task in planned), default=0)
    own = [task.task.coder_model for task in planned if task.task.coder_model]
    return tuple(dict.fromkeys([default, *own, *(step.model for step in steps if step.after < longest)]))
