"""What reports are made of."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.records import Records

NOTHING_CHOSEN = (
    "A comparison of models chooses nothing, so it has no predictions; --atif has what each attempt did."
)


@dataclass(frozen=True)
class Material:
    state: RunState
    """Whole (no outline)."""
    now: float
    """Epoch second of its end, or of its latest event."""
    title: str = ""
    """Names a run that has no id, like a file's name."""
    comparison: Sequence[ComparisonRow] = ()
    records: Records = field(default_factory=lambda: Records(None))

    @cached_property
    def tasks(self) -> list[TaskState]:
        """In the order of the task file."""
        return sorted(self.state.tasks.values(), key=lambda task: task.index)

    @cached_property
    def names(self) -> dict[str, str]:
        """Of each task's file or place in a report, by its id."""
        return names_of(self.tasks)


def names_of(tasks: Iterable[TaskState]) -> dict[str, str]:
    """By id: `task-` and the id; with its number where that is no plain word."""
    taken: set[str] = set()
    found = {}
    for task in tasks:
        plain = re.sub(r"[^\w.\-]+", "-", task.id, flags=re.ASCII)[:80]
        name = f"task-{plain}"
        if (
            plain != task.id or name.lower() in taken
        ):  # files are named so too, on disks that know no capitals
            name = f"{name}-{task.index + 1}"
        taken.add(name.lower())
        found[task.id] = name
    return found


def enough_completed(state: RunState, percent: float) -> bool:
    """Of the tasks that are still asked for; of none, all are."""
    asked = [task for task in state.tasks.values() if task.reason != "left_out"]
    completed = sum(task.status == "completed" for task in asked)
    return Fraction(100 * completed) >= Fraction(str(percent)) * len(asked)
