"""Programs that a task has left with the rights of whoever they belong to, which is us: for root, of everything."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from agentbatch.workspace.files.paths import open_parent, walk

_PRIVILEGES = stat.S_ISUID | stat.S_ISGID


def take_privileges(root: Path, since: float) -> list[str]:
    """Take set-user-id and set-group-id from every file below `root` that was changed after `since` (epoch seconds, by
    its ctime, which no program can set); returns the paths. Folders keep theirs, which only hand a group on."""
    found = []
    for folder in walk(root):
        for name in folder.others:
            path = f"{folder.path}/{name}" if folder.path else name
            with suppress(OSError):
                if _has_privileges(os.lstat(os.path.join(root, path)), since) and _taken(root, path, since):
                    found.append(path)
    return found


def _has_privileges(status: os.stat_result, since: float) -> bool:
    return stat.S_ISREG(status.st_mode) and bool(status.st_mode & _PRIVILEGES) and status.st_ctime >= since


def _taken(root: Path, path: str, since: float) -> bool:
    with open_parent(root, path) as (at, base):
        status = os.stat(base, dir_fd=at, follow_symlinks=False)
        if not _has_privileges(status, since):
            return False
        # By its name, since we need not be able to read it; nothing of the task's runs any more.
        os.chmod(base, stat.S_IMODE(status.st_mode) & ~_PRIVILEGES, dir_fd=at)
        return True
