"""What reports are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.records import Records


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
