"""A task that is tried more than once, as its attempts say. Pure."""

from collections.abc import Sequence

from agentbatch.runs import events as e
from agentbatch.runs.state.bills import merge_bills
from agentbatch.runs.state.task_state import Activity, TaskState

TAKEN = (
    "iteration",
    "coders",
    "verdicts",
    "last_verify",
    "accepted_by",
    "hidden",
    "heard",
    "last_response",
    "last_evaluation",
    "reruns",
)
"""What of the chosen attempt becomes the task's own."""


def with_attempts(task: TaskState, attempts: Sequence[TaskState]) -> TaskState:
    """What its attempts have spent is the task's; while it waits for them, it is as far as they are."""
    own = task.own
    if task.tried is False:
        return task  # its attempts were taken out of the task file
    sums = {
        "bills": merge_bills((own.bills, *(one.bills for one in attempts))),
        "attempts": own.attempts + sum(one.attempts for one in attempts),
        "steps": own.steps + sum(one.steps for one in attempts),
    }
    at_work = [one for one in attempts if one.started_at is not None and not one.finished]
    if task.finished or not at_work:
        return task.model_copy(update=sums)
    latest = max(at_work, key=lambda one: one.activity.since)
    began = min(one.started_at or 0.0 for one in attempts if one.started_at is not None)
    return task.model_copy(
        update={
            **sums,
            "status": latest.status,
            "activity": latest.activity,
            "iteration": max(one.iteration for one in attempts),
            "started_at": task.started_at or began,
        }
    )


def taken_from(task: TaskState, event: e.AttemptChosen, chosen: TaskState | None) -> TaskState:
    """The task after its choice. `chosen` None: there was none to choose."""
    taken = {} if chosen is None else {name: getattr(chosen, name) for name in TAKEN}
    idle = Activity(kind="idle", since=event.ts)
    return task.model_copy(update={**taken, "choice": event, "activity": idle})
