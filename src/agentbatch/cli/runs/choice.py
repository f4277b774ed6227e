"""Which run is meant, and which task of it: the newest, by an id or how it begins, by a number."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.runs.events import ATTEMPT_MARK
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.kind import resume_command, retry_command
from agentbatch.runs.listing import find_run, list_runs, open_run, run_info
from agentbatch.runs.store.database import reading
from agentbatch.text import clip, list_names, nearest

MAX_SHOWN = 60
"""Cells of a name in a message."""


def chosen_run(name: str | None) -> RunFolder:
    """The run that is meant; None: the newest that is under way, else the newest. Raises UserError."""
    if name is None:
        for folder in list_runs(Path.cwd()):
            if holder(folder):
                return folder
    return find_run(Path.cwd(), name)


def running_run(name: str | None, *, again: str | None = None) -> RunFolder:
    """The run that is meant, with an engine at work on it. Raises UserError when there is none. `again`: of what task
    the user wants another run."""
    folder = chosen_run(name)
    if holder(folder):
        return folder
    state = open_run(folder).state
    does = f"resumes {'it' if name else 'the newest'}"
    command = resume_command(state) or retry_command(state)
    if again is not None:
        task = state.tasks.get(chosen_task(folder, again)[0])
        if task is not None and task.finished and task.status != "completed":
            command, does = retry_command(state, task.id), "runs the task again"
    raise UserError(
        (f"The run {folder.run_id} is not running." if name else "No run of this folder is running.")
        + (f" `{command}` {does}." if command else "")
    )


def latest_run(settings: Settings) -> RunFolder | None:
    """The newest run of the settings' task file, for `--resume`."""
    return latest_of("tasks", settings.tasks)


def latest_of(kind: Literal["tasks", "requests"], source: Path, *, resuming: bool = True) -> RunFolder | None:
    """The newest run of this kind that was made from `source`, and is no comparison of models: to go on with one as if
    it were a run like others would do its tasks in their own directories.

    When `resuming`, raises UserError for a newer one that is unreadable: it may be the one that is meant.
    """
    task_file = str((Path.cwd() / source).resolve())
    for folder in list_runs(Path.cwd()):
        try:
            info = run_info(folder)
        except UserError as error:
            if not resuming:
                continue
            raise UserError(
                f"{error} It is newer than any that could be resumed: remove it (agentbatch prune "
                f"{folder.run_id} --all), or start a new run without --resume."
            ) from None
        if info is not None and (info.kind, info.task_file) == (kind, task_file) and not info.compared:
            return folder
    return None


def chosen_task(folder: RunFolder, name: str) -> tuple[str, int]:
    """The id of the task of this run that `name` means, and its place from 0. Raises UserError."""
    with reading(folder.database) as connection:
        places = dict(connection.execute("SELECT id, position FROM tasks ORDER BY position").fetchall())
    # Of an attempt at a task only its whole id is meant.
    places = {one: place for one, place in places.items() if ATTEMPT_MARK not in one or one == name}
    task_id = matching_task(places, name)
    return task_id, places[task_id]


def matching_task(places: Mapping[str, int], name: str) -> str:
    """The id that `name` means, of these with their places from 0. An id goes before a number, a number before the
    beginning of an id."""
    if name in places:
        return name
    for task_id, place in places.items():
        if name == str(place + 1):
            return task_id
    found = [task_id for task_id in places if name and task_id.startswith(name)]
    if len(found) == 1:
        return found[0]
    shown = clip(name, MAX_SHOWN)
    if found:
        raise UserError(
            f"{shown!r} could be any of {len(found)} tasks: {list_names(found, cells=MAX_SHOWN)}."
        )
    near = nearest(name, places)
    hint = f"Did you mean {clip(near, MAX_SHOWN)}?" if near else "`agentbatch status` shows what it has."
    raise UserError(f"The run has no task {shown!r}. {hint}")
