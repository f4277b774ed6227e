"""What a killed process leaves half done beside a run's database, repaired when the run is resumed."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agentbatch.files import PRIVATE, write_atomic
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.database import load_messages, reading
from agentbatch.runs.store.task_events import load_conversation
from agentbatch.tasks.results.steps import steps
from agentbatch.tasks.results.taken_over import take_over
from agentbatch.tasks.results.transcript import TRANSCRIPT, trajectory

TEMPORARY = re.compile(r"\..{1,40}\.[0-9a-f]{16}\.tmp")
"""How `write_atomic` calls a file until it is whole."""


def repair_run(folder: RunFolder, tasks: Iterable[TaskState], redact: Redactor, results_file: Path) -> None:
    """Remove documents that were never finished, and write the transcripts of tasks that ended just before the kill.
    `tasks`: attempts before the tasks that they are of.

    Slow: call it in a thread. Raises OSError, UserError.
    """
    for place in (folder.path, *_task_folders(folder)):
        remove_temporary(place)
    remove_temporary(results_file.parent, results_file.name)
    with reading(folder.database, "is damaged") as connection:
        for task in tasks:
            path = folder.task(task.id) / TRANSCRIPT
            if not task.finished or task.resumable or path.exists():
                continue
            if task.choice is not None and task.choice.attempt:
                take_over(folder, task.choice.attempt, task.id)
            elif task.started_at is not None:
                happened = steps(load_conversation(connection, task.id, task.since))
                text = redact(trajectory(task, load_messages(connection, task.id), happened))
                write_atomic(path, text, mode=PRIVATE, follow=False)


def remove_temporary(folder: Path, name: str = "") -> None:
    """Remove what `write_atomic` was writing in the folder; `name`: of this document only. What cannot be removed (a
    folder of such a name is not ours) stays."""
    with suppress(OSError):
        for entry in folder.iterdir():
            if TEMPORARY.fullmatch(entry.name) and entry.name.startswith(f".{name[:40]}"):
                with suppress(OSError):
                    entry.unlink()


def _task_folders(folder: RunFolder) -> list[Path]:
    tasks = folder.path / "tasks"
    return (
        [place for place in tasks.iterdir() if place.is_dir() and not place.is_symlink()]
        if tasks.is_dir()
        else []
    )
