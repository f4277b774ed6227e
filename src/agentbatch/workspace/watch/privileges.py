"""Programs that a task has left with the rights of whoever they belong to, which is us: for root, of everything."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agentbatch.workspace.files.paths import open_parent
from agentbatch.workspace.watch.changed_since import Changed

_PRIVILEGES = stat.S_ISUID | stat.S_ISGID


def take_privileges(root: Path, changed: Iterable[Changed]) -> list[str]:
    """Take set-user-id and set-group-id from every one of the files below `root`; returns the paths. Folders keep
    theirs, which only hand a group on."""
    found = []
    for path, status in changed:
        if status.st_mode & _PRIVILEGES:
            with suppress(OSError):
                if _taken(root, path):
                    found.append(path)
    return found


def _taken(root: Path, path: str) -> bool:
    with open_parent(root, path) as (at, base):
        status = os.stat(base, dir_fd=at, follow_symlinks=False)
        if not (stat.S_ISREG(status.st_mode) and status.st_mode & _PRIVILEGES):
            return False
        # By its name, since we need not be able to read it; nothing of the task's runs any more.
        os.chmod(base, stat.S_IMODE(status.st_mode) & ~_PRIVILEGES, dir_fd=at)
        return True
