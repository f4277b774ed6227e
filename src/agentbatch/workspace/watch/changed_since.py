"""The files that a task has changed, by their ctime, which no program can set."""

import os
import stat
from collections.abc import Iterable, Iterator
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


def changed_elsewhere(changed: Iterable[Changed]) -> list[str]:
    """Those among all changed files of a directory that lie elsewhere, too, under another name: written in place, they
    change there as well. Tools that install packages make such hard links to their stores (uv, pnpm), and so does a git
    that clones a folder. One path of each file; one whose names all lie in it is none."""
    names: dict[tuple[int, int], int] = {}
    found: dict[tuple[int, int], tuple[str, int]] = {}
    for path, status in changed:
        if status.st_nlink > 1:
            file = (status.st_dev, status.st_ino)
            names[file] = names.get(file, 0) + 1
            found.setdefault(file, (path, status.st_nlink))
    return sorted(path for file, (path, links) in found.items() if links > names[file])
