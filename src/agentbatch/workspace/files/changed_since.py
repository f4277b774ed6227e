"""The files that a task has changed, by their ctime, which no program can set."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agentbatch.workspace.files.paths import walk

Changed = tuple[str, os.stat_result]
"""A file's path, relative to the directory, and what it was when it was looked at."""


def changed_since(root: Path, since: float) -> Iterator[Changed]:
    """Every regular file below `root` that was changed after `since` (epoch seconds), wherever it lies."""
    for folder in walk(root):
        for path in map(folder.place, folder.others):
            with suppress(OSError):
                status = os.lstat(os.path.join(root, path))
                if stat.S_ISREG(status.st_mode) and status.st_ctime >= since:
                    yield path, status
