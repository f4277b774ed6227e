"""Finding runs and opening them: which there are, which one is meant, and how it stands with it."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.patterns import regex
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.kind import ending, kind_of
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.database import load_info, load_state, open_database, reading
from agentbatch.runs.store.stored_json import DAMAGE
from agentbatch.text import clip, list_names, nearest

RunCondition = Literal["running", "finished", "interrupted", "died"]
"""`running`: an engine works on it. `finished`: every task came to its own end, though a resumption may change it.
`interrupted`: the run ended before all tasks did, and said so. `died`: its engine went without a
word (kill -9, a power cut)."""

ShownStatus = e.Status | Literal["interrupted"]
"""`interrupted`: the run ended before the task did; a resumption continues it."""

SHOWN = 60
"""Cells of a name in a message."""


_ID = regex(r"\w[\w.\-]*")
"""Ours are times; whatever is shown and typed as an id is safe to show and to type."""


def runs_folder(base: Path) -> Path:
    return base / STATE_FOLDER / "runs"


def list_runs(base: Path) -> list[RunFolder]:
    """The runs of a folder, the newest first: ids begin with the time. What has no database is no run (yet)."""
    try:
        places = [place for place in runs_folder(base).iterdir() if _ID.fullmatch(place.name)]
    except OSError:
        return []
    found = [RunFolder(place) for place in places if not place.is_symlink()]
    return sorted(
        (folder for folder in found if folder.database.is_file()), key=lambda f: f.run_id, reverse=True
    )


def find_run(base: Path, name: str | None) -> RunFolder:
    """The run that `name` means: an id, the beginning of one, or the path of a run's folder; None: the newest.

    Raises UserError when there is none, or more than one.
    """
    runs = list_runs(base)
    if name is not None and ("/" in name or RunFolder(base / name).database.is_file()):
        return _run_at(base / name)
    if not runs:
        raise UserError(
            f"There are no runs in this folder ({runs_folder(base)}). Go to the folder that a run was started in, "
            "or start one with `agentbatch`."
        )
    if name is None:
        return runs[0]
    exact = [run for run in runs if run.run_id == name]
    matching = exact or [run for run in runs if name and run.run_id.startswith(name)]
    if len(matching) > 1:
        found = list_names([run.run_id for run in matching])
        raise UserError(f"{clip(name, SHOWN)!r} could be any of {len(matching)} runs: {found}.")
    if not matching:
        near = nearest(name, (run.run_id for run in runs))
        hint = f"Did you mean {near}?" if near else f"The newest is {runs[0].run_id}."
        raise UserError(f"There is no run {clip(name, SHOWN)!r} here. {hint} `agentbatch runs` lists them.")
    return matching[0]


def _run_at(path: Path) -> RunFolder:
    folder = RunFolder(path.resolve())
    if not folder.database.is_file():
        raise UserError(f"{clip(str(path), 300)} is no run's folder: there is no run.db in it.")
    return folder


@dataclass(frozen=True)
class Run:
    """A run as its files say."""

    folder: RunFolder
    state: RunState
    condition: RunCondition
    holder: str
    """Who works on it; empty: no engine does."""
    begun: float
    """Epoch second of its first event; 0 when it has none."""
    last: float
    """Of its latest event."""

    @property
    def alive(self) -> bool:
        return self.condition == "running"

    @property
    def process(self) -> int | None:
        """Process id of the engine."""
        match = re.match(r"process (\d+)", self.holder)
        return int(match[1]) if match else None

    def seconds(self, now: float) -> float:
        """Wall clock of all its sessions."""
        return self.state.seconds(now if self.alive else self.last)

    def shown_status(self, task: TaskState) -> ShownStatus:
        """The task's status; what a dead engine left under way is `interrupted`, what it never began is `queued`."""
        return shown_status(task, alive=self.alive)


def shown_status(task: TaskState, *, alive: bool) -> ShownStatus:
    """As `Run.shown_status`. `alive`: an engine works on its run."""
    if task.at_its_end:
        return task.status
    if alive and not task.finished:
        return task.status
    begun = task.started_at is not None or task.iteration > 0
    return "interrupted" if begun else "queued"


def open_run(folder: RunFolder, *, outline: bool = True) -> Run:
    """Read a run, also while an engine works on it. `outline` as for `load_state`. Raises UserError."""
    while True:
        before = holder(folder)
        state, begun, last = _read(folder, outline)
        # An engine that came or went meanwhile has changed what was read.
        if holder(folder) == before:
            break
    return Run(folder, state, condition(state, held=bool(before)), before, begun, last)


def _read(folder: RunFolder, outline: bool) -> tuple[RunState, float, float]:
    times = "SELECT coalesce((SELECT ts FROM events ORDER BY seq {} LIMIT 1), 0.0)"
    try:
        with closing(open_database(folder.database)) as connection:
            state = load_state(connection, outline=outline)
            (begun,) = connection.execute(times.format("ASC")).fetchone()
            (last,) = connection.execute(times.format("DESC")).fetchone()
    except DAMAGE as error:
        cause = str(error) if isinstance(error, sqlite3.Error) else "it is damaged"
        raise UserError(f"{folder.database} cannot be read: {cause}.") from None
    return state, begun, last


def recorded(folder: RunFolder) -> e.RunStarted:
    """How the run was started last. Raises UserError."""
    info = run_info(folder)
    if info is None:
        raise UserError(
            f"The run {folder.run_id} was interrupted before it began: there is nothing to resume. "
            "Start a new one with agentbatch."
        )
    return info


def run_info(folder: RunFolder) -> e.RunStarted | None:
    """As it said last; None: nothing yet. Raises UserError when the database cannot be read."""
    with reading(folder.database, "is damaged") as connection:
        return load_info(connection)


def require_tasks(info: e.RunStarted | None, run_id: str) -> None:
    """Raises UserError for a batch of plain requests, where only tasks can be shown; it names what can be done."""
    if info is not None and not kind_of(info).has_tasks:
        shown = clip(run_id, SHOWN)
        raise UserError(
            f"The run {shown} is a batch of plain requests, and has no tasks to show: see `agentbatch status "
            f"{shown}` or `agentbatch logs -f {shown}`. Its answers are in {clip(info.output, 300)}."
        )


def condition(state: RunState, *, held: bool) -> RunCondition:
    """How it stands with a run. `held`: its lock is taken."""
    if held:
        return "running"
    return "died" if state.finished is None else ending(state)
