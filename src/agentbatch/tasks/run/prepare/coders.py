"""The coders that a run's tasks name, checked before anything is spent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agentbatch.config import BUILTIN
from agentbatch.errors import UserError
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.store.database import load_coders_at_work, reading
from agentbatch.tasks.coders.chosen.kind import ChosenKind
from agentbatch.tasks.coders.makers import CoderKinds
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.text import clip, counted, list_names, nearest


@dataclass(frozen=True)
class Chosen:
    """The coders of a run."""

    kind: ChosenKind
    kept: str
    """That tasks go on with another coder than they would begin with now, a sentence; empty: none does."""


def choose_coders(plan: Plan, kinds: CoderKinds, resume: RunFolder | None) -> Chosen:
    """`resume`: the run that is resumed, whose tasks go on with who began them. Raises UserError."""
    tasks = with_attempts(plan).tasks
    at_work = _at_work(resume)
    asked: dict[str, str] = {}
    for task in tasks:
        for name in (*task.coders, *at_work.get(task.id, ())):
            asked.setdefault(name, f"Task {task.id}")
    for name, who in asked.items():
        check_named(kinds, name, who)
    return Chosen(ChosenKind({name: kinds.get(name) for name in asked}), kept(tasks, at_work))


def check_named(kinds: CoderKinds, name: str, who: str) -> None:
    """That there is such a coder. `who` asks for it. Raises UserError."""
    if name in kinds.entries:
        return
    near = nearest(name, kinds.entries)
    told = f"did you mean {near!r}?" if near else f"there are {list_names(list(kinds.entries), 20)}."
    raise UserError(f"{who}: there is no coder {clip(name, 60)!r}; {told}")


def kept(tasks: Iterable[PlannedTask], at_work: Mapping[str, tuple[str, ...]]) -> str:
    """Pure. `at_work`: who has worked on those that may go on, by id."""
    others = [
        (task.coder, before[0])
        for task in tasks
        if (before := at_work.get(task.id)) and task.coder not in before and not task.task.coder
    ]
    if not others:
        return ""
    names = list_names(list(dict.fromkeys(before for _, before in others)))
    verb = "goes" if len(others) == 1 else "go"
    return (
        f"{counted(len(others), 'task')} under way {verb} on with {names}, as begun; {others[0][0]} works on those "
        "that begin now."
    )


def _at_work(resume: RunFolder | None) -> Mapping[str, tuple[str, ...]]:
    if resume is None:
        return {}
    with reading(resume.database, "is damaged") as connection:
        return {name: found or (BUILTIN,) for name, found in load_coders_at_work(connection).items()}
