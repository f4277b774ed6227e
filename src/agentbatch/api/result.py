"""How a run stands, and what came of it: plain values, read from its folder."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

from agentbatch.api.shown import Column, html_table, text_table
from agentbatch.runs import events as e
from agentbatch.runs.kind import kind_of
from agentbatch.runs.listing import Run, RunCondition, ShownStatus
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.results.records import Records
from agentbatch.text import clip, duration, money, nearest
from agentbatch.usage import Usage
from agentbatch.workspace.files.diff.file_diff import FileChange

COLUMNS = (
    Column("task", 24),
    Column("status", 12),
    Column("iterations", 10, right=True),
    Column("time", 8, right=True),
    Column("tokens", 9, right=True),
    Column("cost", 9, right=True),
    Column("why", 40),
)
MAX_ROWS = 50
"""Of a table; `tasks` has all."""


@dataclass(frozen=True, repr=False)
class TaskResult:
    """One task, as it stands or as it ended."""

    state: TaskState = field(repr=False)
    """All that is known of it."""
    status: ShownStatus
    """`completed`, `error`, `timeout`, `cancelled`, `skipped`; `interrupted`: a resumption continues it; under way
    `queued`, `coding`, `evaluating`."""
    seconds: float
    """That it was at work."""
    _records: Records = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<TaskResult {clip(self.id, 100)}: {self.status}>"

    @property
    def id(self) -> str:
        return self.state.id

    @property
    def dir(self) -> str:
        return self.state.dir

    @property
    def reason(self) -> e.Reason | None:
        """Why it ended so (docs/results.md); None: it has not."""
        return self.state.reason

    @property
    def completed(self) -> bool:
        return self.status == "completed"

    @property
    def error(self) -> str:
        """What went wrong, as a sentence; empty: nothing did."""
        return self.state.error

    @property
    def iterations(self) -> int:
        return self.state.iteration

    @property
    def coder(self) -> str:
        """Who works on it, or did last."""
        return self.state.coder

    @property
    def summary(self) -> str:
        """The coder's own words at its end: a claim, and no proof."""
        return self.state.last_response

    @property
    def evaluation(self) -> str:
        """What the evaluator said last: a verdict's JSON, or a sentence."""
        return self.state.last_evaluation

    @property
    def refusals(self) -> tuple[str, ...]:
        """What speaks against the work, as the latest evaluation found it, a sentence each; none: it was accepted."""
        return tuple(self.state.verdicts[-1].refusals) if self.state.verdicts else ()

    @property
    def tokens(self) -> Usage:
        return self.state.usage

    @property
    def cost(self) -> float | None:
        """US dollars; None: the price of a part of it is not known."""
        return self.state.cost

    @cached_property
    def changes(self) -> tuple[FileChange, ...]:
        """The files that it changed, read when it is asked for; none before its end."""
        return tuple(self._records.changes(self.id))

    @cached_property
    def patch(self) -> str:
        """The same for `git apply`; empty: nothing."""
        return self._records.patch(self.id)

    def _row(self) -> Sequence[str]:
        usage = self.tokens
        why = self.error or (self.reason if self.reason and not self.completed else "")
        spent = (duration(self.seconds), usage.shown(usage.total), money(self.cost))
        return (self.id, self.status, str(self.iterations), *spent, why)


@dataclass(frozen=True)
class Progress:
    """How a run stands at one moment. Iterating gives its tasks in their order, `progress["id"]` one of them."""

    run_id: str
    folder: Path
    """The run's."""
    condition: RunCondition
    """`running`, `finished`, `interrupted` (or `died`): a resumption goes on with it."""
    seconds: float
    """Wall clock of all its sessions."""
    tasks: tuple[TaskResult, ...] = field(repr=False)
    state: RunState = field(repr=False, compare=False)

    @classmethod
    def of(cls, run: Run, now: float) -> Self:
        records = Records(run.folder)
        ordered = sorted(run.state.tasks.values(), key=lambda task: task.index)
        tasks = tuple(
            TaskResult(task, run.shown_status(task), task.duration(now if run.alive else run.last), records)
            for task in ordered
        )
        return cls(run.folder.run_id, run.folder.path, run.condition, run.seconds(now), tasks, run.state)

    def __iter__(self) -> Iterator[TaskResult]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, task_id: str) -> TaskResult:
        """Raises KeyError."""
        found = next((task for task in self.tasks if task.id == task_id), None)
        if found is None:
            near = nearest(task_id, [task.id for task in self.tasks])
            raise KeyError(f"{task_id!r}{f'; did you mean {near!r}?' if near else ''}")
        return found

    @property
    def counts(self) -> dict[str, int]:
        """Tasks by status."""
        found: dict[str, int] = {}
        for task in self.tasks:
            found[task.status] = found.get(task.status, 0) + 1
        return found

    @property
    def tokens(self) -> Usage:
        return self.state.usage

    @property
    def cost(self) -> float | None:
        """US dollars; None: the price of a part of it is not known."""
        return self.state.cost

    @property
    def error(self) -> str:
        """Why the run was stopped before its end, as a sentence; empty: it was not, or was asked to."""
        return self.state.finished.error if self.state.finished is not None else ""

    @property
    def resumable(self) -> bool:
        """A resumption has something to do."""
        return kind_of(self.state.info).resumable(self.state)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.state.notices)

    def __str__(self) -> str:
        return text_table(*self._table())

    def _repr_html_(self) -> str:
        return html_table(*self._table())

    def _table(self) -> tuple[list[str], Sequence[Column], list[Sequence[str]], str]:
        counts = ", ".join(f"{number} {status}" for status, number in self.counts.items()) or "no task yet"
        told = f"{duration(self.seconds)}, {self.tokens.shown(self.tokens.total)} tokens, {money(self.cost)}"
        line = f"run {clip(self.run_id, 60)} {self.condition}: {counts}; {told}"
        left = len(self.tasks) - MAX_ROWS
        rows = [task._row() for task in self.tasks[:MAX_ROWS]]
        return [line, self.error], COLUMNS, rows, f"and {left:,} more" if left > 0 else ""


@dataclass(frozen=True)
class RunResult(Progress):
    """What came of a run."""

    problem: str = ""
    """Why its results could not be written, as a sentence; empty when they were, or nobody knows."""

    @property
    def results_file(self) -> Path:
        """As the command line writes it (docs/results.md)."""
        info = self.state.info
        return Path(info.results if info is not None and info.results else self.folder / "results.json")

    @property
    def exit_code(self) -> int:
        """As that of the command: 0 all completed; 1 some did not; 130 interrupted."""
        return self.state.exit_code or (1 if self.problem else 0)
