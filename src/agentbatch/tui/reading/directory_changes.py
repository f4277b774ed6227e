"""What has changed in a directory since its task began, looked at again and again while the task is under way."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from agentbatch.tasks.run.beginning.baseline import NAME, Baseline
from agentbatch.workspace.files.diff.diff import changes
from agentbatch.workspace.files.diff.file_diff import FileChange, file_change
from agentbatch.workspace.inspection import MAX_FILES, has_path, look, unchanged_since
from agentbatch.workspace.workspace import FileEntry, Snapshot

DIFF_SECONDS = 1.0
"""Spent on diffs in one look; the next one looks at the rest."""

NOT_YET = "Its lines have not been compared yet."


@dataclass(frozen=True)
class Look:
    """What one look found."""

    files: tuple[FileChange, ...] = ()
    note: str = ""
    """A sentence about what it could not see."""
    whole: bool = True
    """False: another look has more to show, though nothing changes."""


class DirectoryChanges:
    """Compares a directory with a task's beginning. `look` is slow: call it in a thread, one call at a time."""

    def __init__(
        self,
        folder: Path,
        root: Path,
        redact: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder` holds the task's beginning.json; `redact` cleans what is shown; `clock` gives seconds."""
        self.folder = folder
        self.root = root
        self._redact = redact
        self._clock = clock
        self._stamp: tuple[int, int] | None = None
        self._before = Snapshot({})
        self._last = Snapshot({})
        self._diffs: dict[str, tuple[FileEntry | None, FileEntry | None, FileChange]] = {}

    def look(self, first: str = "", seconds: float = DIFF_SECONDS) -> Look:
        """The changes as they are now. `first`: the path whose diff is wanted most. Raises OSError, ValueError when
        the beginning cannot be read."""
        self._read_beginning()
        now = look(self.root, self._last)
        if now is None:
            return Look(note=f"The directory {self.root} is not there any more.")
        self._last = now
        found = changes(self._before, now)
        deleted = found.deleted
        if now.truncated:  # one that is not in the snapshot may be there all the same
            deleted = tuple(path for path in deleted if not has_path(self.root, path))
        touched = sorted((*found.added, *found.modified, *deleted), key=lambda path: (path != first, path))
        files = self._compared(touched, self._clock() + seconds)
        note = f"It holds more than {MAX_FILES:,} files: not all of them are seen." if now.truncated else ""
        return Look(
            tuple(sorted(files, key=lambda file: file.path)),
            note,
            all(file.note != NOT_YET for file in files),
        )

    def _read_beginning(self) -> None:
        """Read it when it is new: a task that begins again has another one."""
        path = self.folder / NAME
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp == self._stamp:
            return
        self._before = Baseline.load(self.folder).snapshot
        self._last = unchanged_since(self.root, self._before, status.st_mtime_ns)
        self._diffs, self._stamp = {}, stamp

    def _compared(self, touched: list[str], until: float) -> list[FileChange]:
        old, new = self._before.files, self._last.files
        kept: dict[str, tuple[FileEntry | None, FileEntry | None, FileChange]] = {}
        files = []
        for path in touched:
            before, after = old.get(path), new.get(path)
            known = self._diffs.get(path)
            if known is not None and known[0] is before and known[1] == after:
                kept[path] = known
            elif self._clock() < until:
                kept[path] = (before, after, self._diff(path, before, after))
            files.append(kept[path][2] if path in kept else _undone(path, before, after))
        self._diffs = kept
        return files

    def _diff(self, path: str, before: FileEntry | None, after: FileEntry | None) -> FileChange:
        """Without keys; its path stays as it is, by which the pane knows it."""
        change = file_change(path, before, after) or _undone(path, before, after)
        return replace(change.cleaned(self._redact), path=path)


def _undone(path: str, before: FileEntry | None, after: FileEntry | None) -> FileChange:
    return FileChange(path, "100644" if before else "", "100644" if after else "", note=NOT_YET)
