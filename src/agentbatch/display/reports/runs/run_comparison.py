"""Two runs side by side: their totals, and task by task what came of it in each. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agentbatch.runs.kind import models_text
from agentbatch.runs.listing import ShownStatus, shown_status
from agentbatch.runs.state.bills import merge_bills, total_cost, total_usage
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.results.sources import Results
from agentbatch.usage import Usage

Change = Literal["better", "worse", "same", "other"]
"""`better`: completed in the second run only; `other`: not in both runs."""


@dataclass(frozen=True)
class Figures:
    """What a task, or a run, came to."""

    status: ShownStatus | None
    """None: of a whole run."""
    completed: int
    tasks: int
    iterations: int
    usage: Usage
    cost: float | None
    """US dollars; None when a part is unknown."""
    seconds: float
    """At work; of a run its wall clock."""


@dataclass(frozen=True)
class TaskPair:
    """One task in both runs; None: not in that one."""

    id: str
    first: Figures | None
    second: Figures | None

    @property
    def change(self) -> Change:
        if self.first is None or self.second is None:
            return "other"
        if self.first.completed == self.second.completed:
            return "same"
        return "better" if self.second.completed else "worse"


@dataclass(frozen=True)
class RunComparison:
    """`first` is the old one: better and worse are said of the second."""

    names: tuple[str, str]
    """Of the runs. Not harmless."""
    models: tuple[str, str]
    first: Figures
    second: Figures
    shared: tuple[Figures, Figures]
    """Over the tasks that are in both runs, summed; seconds of work, not of the clock."""
    pairs: tuple[TaskPair, ...]
    """In the order of the first run, then those of the second alone."""

    def tasks(self, change: Change) -> list[TaskPair]:
        return [pair for pair in self.pairs if pair.change == change]


def compare_runs(first: Results, second: Results, now: float) -> RunComparison:
    """Tasks are matched by id. `now`: epoch seconds, for a run that is under way."""
    sides = [
        {task.id: _of_task(task, results, now) for task in results.state.tasks.values()}
        for results in (first, second)
    ]
    names = [*sides[0], *(name for name in sides[1] if name not in sides[0])]
    pairs = tuple(TaskPair(name, sides[0].get(name), sides[1].get(name)) for name in names)
    common = [name for name in sides[0] if name in sides[1]]
    return RunComparison(
        names=(first.source.name, second.source.name),
        models=(models_text(first.state.info), models_text(second.state.info)),
        first=_of_run(first, now),
        second=_of_run(second, now),
        shared=(_sum(first, sides[0], common), _sum(second, sides[1], common)),
        pairs=pairs,
    )


def _of_task(task: TaskState, results: Results, now: float) -> Figures:
    alive = results.condition == "running"
    return Figures(
        status=shown_status(task, alive=alive),
        completed=int(task.status == "completed"),
        tasks=1,
        iterations=task.iteration,
        usage=task.usage,
        cost=task.cost,
        seconds=task.duration(now if alive else results.last),
    )


def _of_run(results: Results, now: float) -> Figures:
    state = results.state
    return Figures(
        status=None,
        completed=state.count("completed"),
        tasks=state.total,
        iterations=sum(task.iteration for task in state.tasks.values()),
        usage=state.usage,
        cost=state.cost,
        seconds=results.seconds(now),
    )


def _sum(results: Results, tasks: Mapping[str, Figures], ids: Sequence[str]) -> Figures:
    figures = [tasks[name] for name in ids]
    bills = merge_bills(results.state.tasks[name].bills for name in ids)
    return Figures(
        status=None,
        completed=sum(part.completed for part in figures),
        tasks=len(figures),
        iterations=sum(part.iterations for part in figures),
        usage=total_usage(bills),
        cost=total_cost(bills),
        seconds=sum(part.seconds for part in figures),
    )
