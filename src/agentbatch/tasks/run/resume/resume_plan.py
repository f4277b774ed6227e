"""What a resumption does with each task. Pure."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.history import TaskHistory
from agentbatch.tasks.spec.plan import PlannedTask

ResumeAction = Literal["new", "keep", "start", "continue", "rerun", "changed"]
"""`new`: the run does not know it yet, at least not as it is now; `keep`: it is over; `start`: it had not begun;
`continue`: it resumes where it was; `rerun`: it begins again, as was asked; `changed`: it begins again, since it is
another task now."""


@dataclass(frozen=True)
class ResumePlan:
    """How an interrupted run resumes: what becomes of each task, and what is known of those under way."""

    resume_actions: Mapping[str, ResumeAction] = field(default_factory=dict)
    histories: Mapping[str, TaskHistory] = field(default_factory=dict)


def resume_actions(
    tasks: Sequence[PlannedTask],
    known: Mapping[str, TaskState],
    *,
    retry_failed: bool = False,
    force: bool = False,
) -> dict[str, ResumeAction]:
    """By task id. `known`: the run's tasks as its earlier sessions left them."""
    found: dict[str, ResumeAction] = {}
    for planned in tasks:
        state = known.get(planned.id)
        if planned.attempt_of and found[planned.attempt_of] in ("keep", "rerun", "changed"):
            found[planned.id] = found[planned.attempt_of]  # it goes the way of its task
        elif planned.attempt_of:
            found[planned.id] = "new" if state is None else _action(planned, state, False, False)
        else:
            found[planned.id] = "new" if state is None else _action(planned, state, retry_failed, force)
    _revive_skipped(tasks, known, found)
    return found


def _action(planned: PlannedTask, state: TaskState, retry_failed: bool, force: bool) -> ResumeAction:
    if force and state.begun:
        return "rerun"
    if state.definition and state.definition != planned.definition:
        return "changed" if state.begun else "new"
    back = state.reason == "left_out"
    if state.finished and not state.resumable and not back and not _has_more_budget(planned, state):
        if state.status == "completed" or not (retry_failed or force) or state.reason == "dependency_failed":
            return "keep"
        return "rerun"
    return "continue" if state.begun else "start"


def _has_more_budget(planned: PlannedTask, state: TaskState) -> bool:
    """It was ended by a budget of its own, which has been raised; attempts are over with their choice."""
    if planned.attempts or not state.used_its_budget:
        return False
    return _is_higher(planned.max_cost, state.max_cost) or _is_higher(planned.max_tokens, state.max_tokens)


def _is_higher(limit: float | None, before: float | None) -> bool:
    return before is not None and (limit is None or limit > before)


def _revive_skipped(
    tasks: Sequence[PlannedTask], known: Mapping[str, TaskState], found: dict[str, ResumeAction]
) -> None:
    """A task that was skipped begins when nothing that it depends on now stands against it: all is completed, or
    gets another chance itself."""
    by_id = {task.id: task for task in tasks}
    dependents: dict[str, list[str]] = defaultdict(list)
    for planned in tasks:
        for dependency in planned.depends_on:
            dependents[dependency].append(planned.id)

    def stands_against(dependency: str) -> bool:
        return found[dependency] == "keep" and known[dependency].status != "completed"

    skipped = {task_id for task_id, state in known.items() if state.reason == "dependency_failed"}
    waiting = deque(task.id for task in tasks if found[task.id] == "keep" and task.id in skipped)
    while waiting:
        task_id = waiting.popleft()
        if found[task_id] == "keep" and not any(map(stands_against, by_id[task_id].depends_on)):
            found[task_id] = "rerun" if known[task_id].begun else "start"
            waiting.extend(name for name in dependents[task_id] if found[name] == "keep" and name in skipped)
