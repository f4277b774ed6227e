"""What a task changed, kept in the run's folder of the task: `changes.patch` for people and for `git apply`, and the
same as data, `changes.json`, for screens."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from agentbatch.files import PRIVATE, as_json, write_document
from agentbatch.workspace.files.diff.diff import render_patch
from agentbatch.workspace.files.diff.file_diff import FileChange, changes_document, changes_of

PATCH, CHANGES = "changes.patch", "changes.json"

MAX_READ = 32 * 1024 * 1024
"""Bytes read of one of them."""


async def write_changes(folder: Path, files: Iterable[FileChange], redact: Callable[[str], str]) -> None:
    """Both files, without keys. Raises OSError."""
    cleaned = [file.cleaned(redact) for file in files]
    await write_document(folder / PATCH, render_patch(cleaned), mode=PRIVATE, follow=False)
    await write_document(
        folder / CHANGES, as_json(changes_document(cleaned)) + "\n", mode=PRIVATE, follow=False
    )


def read_patch(folder: Path) -> str:
    """Raises OSError."""
    with open(folder / PATCH, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read(MAX_READ)


def read_changes(folder: Path) -> tuple[list[FileChange], str]:
    """The changed files, and a sentence about what is missing. Raises OSError when there is nothing to read.

    A run of an earlier version kept only its patch: that is shown as it is, as one file.
    """
    path = folder / CHANGES
    try:
        if path.stat().st_size <= MAX_READ:
            return changes_of(json.loads(path.read_bytes())), ""
    except (FileNotFoundError, ValueError, RecursionError):
        pass
    return _whole_patch(folder / PATCH)


def _whole_patch(path: Path) -> tuple[list[FileChange], str]:
    with open(path, "rb") as file:
        data = file.read(MAX_READ + 1)
    text = data[:MAX_READ].decode("utf-8", "surrogateescape").removesuffix("\n")
    note = f"{path} is too long to be shown whole." if len(data) > MAX_READ else ""
    whole = FileChange(PATCH, "100644", "100644", tuple(text.split("\n")), note="all changes in one patch")
    return [whole], note
