"""A comparison of models, or of coders, from a run's state: what each of them solved, and what it took. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from agentbatch.config import Contestant
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.bakeoff.statistics import (
    Difference,
    Interval,
    Settling,
    difference,
    pass_at_k,
    settling,
    wilson,
)
from agentbatch.usage import Usage, sum_or_none, sum_usage

OWN_ENDS = frozenset({"accepted", "max_iterations", "stalled", "blocked", "wall_clock", "budget"})
"""Reasons of attempts that came to an end of their own: an endpoint that failed, or a run that was stopped, says
nothing of a model."""


class Try(NamedTuple):
    """One attempt that counts."""

    attempt: str
    """Its id."""
    task: str
    model: str
    """As it was named: a model, or a coder."""
    solved: bool
    completed: bool
    hidden: bool | None
    iterations: int
    seconds: float
    usage: Usage
    cost: float | None
    """US dollars, both roles."""


class ModelFigures(NamedTuple):
    """What one model did. Its attempts that say nothing of it are not counted, but in `left_out`."""

    model: str
    tries: tuple[Try, ...]
    left_out: int
    """Attempts that have not come to an end of their own: open, stopped, or ended by an endpoint or this machine."""

    @property
    def solved(self) -> int:
        return sum(one.solved for one in self.tries)

    @property
    def interval(self) -> Interval:
        return wilson(self.solved, len(self.tries))

    @property
    def false_completed(self) -> int | None:
        """Completed and by the hidden checks not solved; None: no hidden check ran."""
        known = [one for one in self.tries if one.hidden is not None]
        return sum(one.completed and not one.hidden for one in known) if known else None

    @property
    def usage(self) -> Usage:
        return sum_usage(one.usage for one in self.tries)

    @property
    def cost(self) -> float | None:
        return sum_or_none(one.cost for one in self.tries)

    @property
    def cost_per_solved(self) -> float | None:
        """US dollars of all its attempts for each that solved its task."""
        return self.cost / self.solved if self.cost is not None and self.solved else None

    @property
    def iterations(self) -> float:
        """A mean, like `seconds`."""
        return sum(one.iterations for one in self.tries) / len(self.tries) if self.tries else 0.0

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.tries) / len(self.tries) if self.tries else 0.0

    def by_task(self) -> Mapping[str, Sequence[bool]]:
        found: dict[str, list[bool]] = defaultdict(list)
        for one in self.tries:
            found[one.task].append(one.solved)
        return found

    def pass_at(self, k: int) -> float | None:
        """Over the tasks with so many attempts that count; None: there is none."""
        rates = [pass_at_k(sum(tries), len(tries), k) for tries in self.by_task().values() if len(tries) >= k]
        return sum(rates) / len(rates) if rates else None


class Pair(NamedTuple):
    """Two models at the tasks that both have tried."""

    first: str
    second: str
    difference: Difference
    """Of the first's rate and the second's."""
    settling: Settling

    @property
    def ahead(self) -> tuple[str, str]:
        """The one that solved more, as far as it was seen, and the other."""
        names = (self.first, self.second)
        return names if self.difference.value >= 0 else (self.second, self.first)


@dataclass(frozen=True)
class BakeOff:
    models: tuple[ModelFigures, ...]
    """As they were named."""
    attempts: int
    """At each task, of each model."""
    tasks: int
    hidden: int
    """Tasks of which hidden checks say whether they are solved."""
    verified: int
    """Of the others, those with a `verify`."""
    what: str = "model"
    """What is compared, in one word: `model`, or `coder` (each with its model)."""

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Every two, as they were named; without those that have no task in common yet."""
        found = list(combinations(self.models, 2))
        return tuple(pair for one, other in found if (pair := _pair(one, other, len(found))) is not None)


def _pair(one: ModelFigures, other: ModelFigures, pairs: int) -> Pair | None:
    tries, others = one.by_task(), other.by_task()
    common = [task for task in tries if task in others]
    if not common:
        return None
    first, second = [tries[task] for task in common], [others[task] for task in common]
    return Pair(one.model, other.model, difference(first, second, pairs), settling(first, second, pairs))


def bake_off(state: RunState) -> BakeOff | None:
    """None: the run is no comparison."""
    compared = state.info.compared if state.info is not None else ()
    if not compared:
        return None
    models = [one.name for one in compared]
    by_model: dict[str, list[TaskState]] = {model: [] for model in models}
    by_task: dict[str, list[TaskState]] = defaultdict(list)
    for one in state.attempts.values():
        name = _name(one, compared)
        if name in by_model:
            by_model[name].append(one)
            by_task[one.attempt_of].append(one)
    hidden = {task for task, found in by_task.items() if any(one.hidden is not None for one in found)}
    verified = {task for task, found in by_task.items() if any(one.has_verify for one in found)}
    return BakeOff(
        tuple(_figures(model, attempts, hidden) for model, attempts in by_model.items()),
        max((len(found) // len(models) for found in by_task.values()), default=0),
        len(by_task),
        len(hidden),
        len(verified - hidden),
        "coder" if any(one.coder for one in compared) else "model",
    )


def _name(attempt: TaskState, compared: Sequence[Contestant]) -> str:
    """Whose attempt it is; empty: of nobody who is compared now."""
    for one in compared:
        if one.model == attempt.model and one.coder in ("", attempt.coder):
            return one.name
    return ""


def _figures(model: str, attempts: Sequence[TaskState], hidden: set[str]) -> ModelFigures:
    tries = tuple(
        _try(one, model, hidden=one.attempt_of in hidden)
        for one in attempts
        if _counts(one, hidden=one.attempt_of in hidden)
    )
    return ModelFigures(model, tries, len(attempts) - len(tries))


def _counts(one: TaskState, *, hidden: bool) -> bool:
    over = one.finished and not one.resumable and one.reason in OWN_ENDS
    return over and (one.hidden is not None or not hidden)


def _try(one: TaskState, model: str, *, hidden: bool) -> Try:
    completed = one.status == "completed"
    return Try(
        one.id,
        one.attempt_of,
        model,
        bool(one.hidden) if hidden else completed,
        completed,
        one.hidden,
        one.iteration,
        one.duration(0.0),
        one.usage,
        one.cost,
    )
