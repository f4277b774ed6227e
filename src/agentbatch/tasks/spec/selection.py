"""Which tasks of a file run: by path, by name, by what is out of date, by number."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from agentbatch.config import TEST_MODE_TASKS
from agentbatch.errors import UserError
from agentbatch.files import resolved
from agentbatch.tasks.spec.freshness import is_missing, is_stale, with_dependents
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import GeneratedTask
from agentbatch.tasks.spec.task_document import SUFFIXES
from agentbatch.text import counted
from agentbatch.workspace.files.globs import FileSearch
from agentbatch.workspace.files.paths import Resolver


class NothingToDo(Exception):
    """Every task is up to date. `str()` is the sentence for a person; the command ends with 0."""


class Selection(NamedTuple):
    """What was asked for, applied in this order. Nothing asked for: every task."""

    paths: tuple[str, ...] = ()
    """Tasks whose directory, generated path, inputs or outputs lie in one of these, relative to `folder`."""
    folder: Path = Path()
    pattern: str | None = None
    """Tasks whose id, dir or prompt this regular expression finds."""
    stale: bool = False
    missing: bool = False
    first_only: bool = False
    """The first three (test mode)."""
    part: str | None = None
    """`A:B`: from the A-th, counted from 0, up to the one before the B-th; either may be left out."""
    limit: int | None = None
    unfinished: frozenset[str] = frozenset()
    """Tasks that an interrupted run had under way: what they have made so far does not make them up to date."""
    ended: frozenset[str] | None = None
    """Tasks that the run which is resumed ended with a reason that was asked for; None: none was."""


def select(tasks: Sequence[PlannedTask], selection: Selection, base: Path) -> list[PlannedTask]:
    """The chosen tasks, in order. `base`: what they are relative to, resolved.

    Raises UserError where nothing is left or a path selects nothing, and NothingToDo where all is up to date.
    """
    chosen = list(tasks)
    if selection.paths:
        chosen = _in_scope(chosen, selection, base)
    if selection.pattern is not None:
        chosen = _matching(chosen, selection.pattern)
    if selection.ended is not None:
        chosen = [task for task in chosen if task.id in selection.ended]
        if not chosen:
            raise UserError("None of the chosen tasks ended with a reason of --reason.")
    if selection.stale or selection.missing:
        chosen = _out_of_date(chosen, selection, base)
    if selection.first_only:
        chosen = chosen[:TEST_MODE_TASKS]
    if selection.part is not None:
        begin, _, end = selection.part.partition(":")
        before = len(chosen)
        chosen = chosen[int(begin) if begin else None : int(end) if end else None]
        if not chosen:
            raise UserError(f"--slice {selection.part} leaves nothing of {counted(before, 'task')}.")
    return chosen[: selection.limit]


def _matching(tasks: list[PlannedTask], pattern: str) -> list[PlannedTask]:
    wanted = re.compile(pattern)
    found = [p for p in tasks if any(wanted.search(s) for s in (p.id, p.task.dir, p.task.first_prompt))]
    if not found:
        raise UserError(f"--filter {pattern!r} matches no task's id, dir or prompt.")
    return found


def _in_scope(tasks: list[PlannedTask], selection: Selection, base: Path) -> list[PlannedTask]:
    scopes = {_resolved(resolved, selection.folder, path): path for path in selection.paths}
    places = _Places(base)
    found, hit = [], set()
    for task in tasks:
        scope = {above for place in places.of(task) for above in (place, *place.parents) if above in scopes}
        if scope:
            found.append(task)
            hit |= scope
    idle = [path for scope, path in scopes.items() if scope not in hit]
    if idle:
        file = " A task file is named with -t." if idle[0].endswith(SUFFIXES) else ""
        raise UserError(
            f"The path {idle[0]} selects no task: none has its dir, its generated path, inputs or outputs there.{file}"
        )
    return found


class _Places:
    """Where tasks have to do with files, links followed; a folder that many share is followed once."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._resolve = Resolver()

    def of(self, task: PlannedTask) -> set[Path]:
        found = {task.root}
        if isinstance(task.task, GeneratedTask) and task.task.origin.path:
            found.add(self._place(task.task.origin.path))
        for pattern in (*task.task.inputs, *task.task.outputs):
            fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
            found.add(self._place(fixed if fixed == pattern else fixed.rpartition("/")[0]))
        return found

    def _place(self, path: str) -> Path:
        return _resolved(self._resolve, self._base, path)


def _resolved(resolve: Callable[[Path], Path], base: Path, path: str) -> Path:
    try:
        return resolve(base / path)
    except (OSError, ValueError) as error:
        raise UserError(f"The path {path!r} leads nowhere: {error}.") from None


def _out_of_date(tasks: list[PlannedTask], selection: Selection, base: Path) -> list[PlannedTask]:
    files = FileSearch(base, everything=True)
    found = tasks
    if selection.stale:
        stale = {task.id for task in tasks if is_stale(task.task, files)}
        stale = with_dependents(stale, {task.id: task.depends_on for task in tasks})
        stale |= selection.unfinished
        found = [task for task in found if task.id in stale]
    if selection.missing:
        found = [task for task in found if task.id in selection.unfinished or is_missing(task.task, files)]
    if not found:
        all_of_them = "the task is" if len(tasks) == 1 else f"all {counted(len(tasks), 'task')} are"
        state = "up to date" if selection.stale else "there with their outputs"
        raise NothingToDo(f"Nothing to do: {all_of_them} {state}.")
    return found
