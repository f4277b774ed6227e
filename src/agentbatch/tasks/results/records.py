"""What is kept of single tasks in a run's folder, for reports: what they changed, and all that happened."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from agentbatch.runs.events import Event
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.database import reading
from agentbatch.runs.store.task_events import load_conversation, load_task_events
from agentbatch.tasks.results.changes import read_changes, read_patch
from agentbatch.workspace.files.diff.file_diff import FileChange

T = TypeVar("T")


class Records:
    """Of a run in its folder; of a results file alone (None), nothing is known. What cannot be read is none."""

    def __init__(self, folder: RunFolder | None) -> None:
        self._folder = folder

    @property
    def base(self) -> Path | None:
        """The folder that the run was started in."""
        return self._folder.path.parent.parent.parent if self._folder is not None else None

    def patch(self, task_id: str) -> str:
        """What it changed, for `git apply`; empty: nothing, or it is not known."""
        return self._read(task_id, read_patch) or ""

    def changes(self, task_id: str) -> list[FileChange]:
        return self._read(task_id, lambda folder: read_changes(folder)[0]) or []

    def _read(self, task_id: str, read: Callable[[Path], T]) -> T | None:
        if self._folder is None:
            return None
        try:
            return read(self._folder.task(task_id))
        except (OSError, ValueError):
            return None

    def events(self, task: TaskState) -> list[Event]:
        """Since it began, the last time. Raises UserError for a database that is damaged."""
        return self._load(task, load_task_events)

    def conversation(self, task: TaskState) -> list[Event]:
        """Its messages and model calls alone; as `events`."""
        return self._load(task, load_conversation)

    def _load(
        self, task: TaskState, load: Callable[[sqlite3.Connection, str, int], list[Event]]
    ) -> list[Event]:
        if self._folder is None:
            return []
        with reading(self._folder.database) as connection:
            return load(connection, task.id, task.since)
