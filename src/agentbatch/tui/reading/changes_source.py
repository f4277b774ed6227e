"""Where to see what a task changed: in what was kept at its end, or, while it is under way, in the directory itself."""

from dataclasses import dataclass
from pathlib import Path

from agentbatch.runs.folder import RunFolder, tasks_folder
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import counted


@dataclass(frozen=True)
class ChangesNote:
    """There is nothing to look at, and this sentence says why."""

    text: str


@dataclass(frozen=True)
class Kept:
    """The task has ended; its changes were kept."""

    folder: Path
    """The run's folder of the task."""
    ended: float
    """When the task did, epoch seconds: one that runs again leaves other changes."""


@dataclass(frozen=True)
class Directory:
    """The task is under way."""

    folder: Path
    """Ours: the run's folder of the task."""
    own: Path
    """The task's directory, as planned."""


FilesSource = ChangesNote | Kept | Directory


def files_source(state: RunState, folder: RunFolder | None, task_id: str | None) -> FilesSource:
    """Where to look for the changes of a task. Pure."""
    task = state.by_id.get(task_id) if task_id is not None else None
    if task is None:
        return ChangesNote("No task is chosen.")
    if folder is None:
        return ChangesNote(_of_results_file(task))
    if task.finished:
        if task.changed_files:
            return Kept(folder.task(task.id), task.finished_at or 0.0)
        return ChangesNote("It has ended, and nothing was changed in its directory.")
    if state.attempts_of(task.id):
        return ChangesNote("Each attempt at it works in a place of its own: see its row.")
    if not task.begun:
        return ChangesNote("This task has not begun.")
    if state.info is None or not state.info.task_file:
        return ChangesNote("The run's records do not say where the task's directory is.")
    return Directory(folder.task(task.id), tasks_folder(Path(state.info.task_file)) / task.dir)


def _of_results_file(task: TaskState) -> str:
    if not task.changed_files:
        return "A results file has no diffs; this one names no file that was changed."
    was = "was" if task.changed_files == 1 else "were"
    return f"A results file says only that {counted(task.changed_files, 'file')} {was} changed."
