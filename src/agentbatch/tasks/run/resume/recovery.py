"""What a killed process leaves half done beside a run's database, repaired when the run is resumed."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agentbatch.files import PRIVATE, write_atomic
from agentbatch.patterns import regex
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.database import load_messages, reading
from agentbatch.runs.store.task_events import load_conversation
from agentbatch.tasks.results.steps import steps
from agentbatch.tasks.results.taken_over import take_over
from agentbatch.tasks.results.transcript import TRANSCRIPT, trajectory

TEMPORARY = regex(r"\..{1,40}\.[0-9a-f]{16}\.tmp")
"""How `write_atomic` calls a file until it is whole."""


def repair_run(folder: RunFolder, tasks: Iterable[TaskState], redact: Redactor, results_file: Path) -> None:
    """Remove documents that were never finished, and write the transcripts of tasks that ended just before the kill.
    `tasks`: attempts before the tasks that they are of.

    Slow: call it in a thread. Raises OSError, UserError.
    """
    _remove_temporary(folder.path)
    _remove_temporary(results_file.parent, results_file.name)
    whole = {
        os.path.basename(place) for place in _task_folders(folder) if TRANSCRIPT in _remove_temporary(place)
    }
    with reading(folder.database, "is damaged") as connection:
        for task in tasks:
            if not task.finished or task.resumable or task.id in whole:
                continue
            path = folder.task(task.id) / TRANSCRIPT
            if task.choice is not None and task.choice.attempt:
                take_over(folder, task.choice.attempt, task.id)
            elif task.started_at is not None:
                happened = steps(load_conversation(connection, task.id, task.since))
                text = redact(trajectory(task, load_messages(connection, task.id), happened))
                write_atomic(path, text, mode=PRIVATE, follow=False)


def _remove_temporary(folder: str | Path, name: str = "") -> list[str]:
    """Remove what `write_atomic` was writing in the folder; `name`: of this document only. What cannot be removed (a
    folder of such a name is not ours) stays. Returns the names that were there."""
    try:
        found = os.listdir(folder)
    except OSError:
        return []
    for entry in found:
        if entry.endswith(".tmp") and TEMPORARY.fullmatch(entry) and entry.startswith(f".{name[:40]}"):
            with suppress(OSError):
                os.unlink(os.path.join(folder, entry))
    return found


def _task_folders(folder: RunFolder) -> list[str]:
    try:
        with os.scandir(folder.task("")) as entries:
            return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
