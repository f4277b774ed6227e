"""What an import makes: tasks, and sentences about those that cannot be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORK = "work"
"""Folder of the directories of all tasks, beside the task file."""


class CannotImport(Exception):
    """Why a task cannot be. `str()` is a sentence."""


@dataclass(frozen=True)
class Imported:
    """A task that can be."""

    entry: Mapping[str, Any]
    """Its entry in the task file."""
    make: Callable[[Path], None]
    """Make its directory, which is not there yet. Raises CannotImport, UserError, OSError."""
    notes: tuple[str, ...] = ()
    """What is otherwise than where it comes from, a sentence each."""

    @property
    def id(self) -> str:
        return str(self.entry["id"])


def entry(task_id: str, prompt: str, hidden: tuple[str, ...], **others: Any) -> dict[str, Any]:
    """An entry of the task file; what is None or empty is left out."""
    given = {name: value for name, value in others.items() if value not in (None, {}, "")}
    return {
        "id": task_id,
        "dir": f"{WORK}/{task_id}",
        "first_prompt": prompt,
        **given,
        "hidden_verify": [*hidden],
    }
