"""Which tasks of a run the table shows, and in which row: all, or those that a filter lets through. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Collection
from typing import Literal, get_args

from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tui.lines.filter import Filter

StatusOf = Callable[[TaskState], ShownStatus]

Sort = Literal["by task", "failed first", "costliest first", "longest first"]
SORTS: tuple[Sort, ...] = get_args(Sort)

_FIRST: tuple[frozenset[ShownStatus], ...] = (
    frozenset({"error", "timeout"}),
    frozenset({"cancelled", "skipped", "interrupted"}),
    frozenset({"coding", "evaluating", "paused"}),
    frozenset({"queued"}),
)
"""Those that somebody has to look at, those that were left, those under way, those to come; then the completed ones."""
_FAILED = _FIRST[0] | _FIRST[1]


class TaskRows:
    """Rows in task order, or sorted by what the tasks were when it was made. Tasks come and go one by one: what changes
    in a run of ten thousand is a few at a time."""

    def __init__(
        self,
        state: RunState,
        status: StatusOf,
        chosen: Filter | None = None,
        sort: Sort = "by task",
        now: float = 0.0,
    ) -> None:
        self.state = state
        self.status = status
        self.filter = chosen
        self.sort = sort
        tasks = list(state.tasks) if sort == "by task" else self._sorted(sort, now)
        # A task's attempts stand behind it.
        ids = [
            one for task_id in tasks for one in (task_id, *(each.id for each in state.attempts_of(task_id)))
        ]
        self._order = {task_id: place for place, task_id in enumerate(ids)}
        self._ids = [task_id for task_id in ids if self._shows(task_id)]

    def _sorted(self, sort: Sort, now: float) -> list[str]:
        """Equal ones stay in task order."""

        def key(task: TaskState) -> float:
            if sort == "failed first":
                status = self.status(task)
                return next((place for place, group in enumerate(_FIRST) if status in group), len(_FIRST))
            return -(task.cost or 0.0) if sort == "costliest first" else -task.duration(now)

        return [task.id for task in sorted(self.state.tasks.values(), key=key)]

    def failed(self, task_id: str | None, step: int) -> int | None:
        """The row of the next failed task behind this one (`step` 1) or before it (-1), around the ends; None: none has
        failed."""
        here = self.row(task_id) or 0
        for distance in range(1, len(self._ids) + 1):
            row = (here + step * distance) % len(self._ids)
            if self.status(self.state.by_id[self._ids[row]]) in _FAILED:
                return row
        return None

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> str:
        """The id of the task in a row."""
        return self._ids[row]

    def row(self, task_id: str | None) -> int | None:
        """Where a task is; None when it is not shown."""
        if task_id not in self._order:
            return None
        row = self._row_at(task_id)
        return row if row < len(self._ids) and self._ids[row] == task_id else None

    def nearest(self, task_id: str | None) -> str | None:
        """The task, or the next one that is shown, or the last; None when none is shown."""
        if not self._ids:
            return None
        row = self._row_at(task_id) if task_id in self._order else 0
        return self._ids[min(row, len(self._ids) - 1)]

    def update(self, task_ids: Collection[str]) -> bool:
        """These tasks have changed; True: a row came or went."""
        if self.filter is None:
            return False
        moved = False
        for task_id in task_ids:
            if task_id not in self._order:
                continue
            row = self.row(task_id)
            if self._shows(task_id) == (row is not None):
                continue
            moved = True
            if row is None:
                self._ids.insert(self._row_at(task_id), task_id)
            else:
                del self._ids[row]
        return moved

    def _row_at(self, task_id: str) -> int:
        """The row that the task has, or would have."""
        return bisect_left(self._ids, self._order[task_id], key=self._order.__getitem__)

    def _shows(self, task_id: str) -> bool:
        task = self.state.by_id[task_id]
        return self.filter is None or self.filter.matches(task, self.status(task))
