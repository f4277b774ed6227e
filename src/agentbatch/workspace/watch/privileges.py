"""Programs that a task has left with the rights of whoever they belong to, which is us: for root, of everything."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agentbatch.workspace.files.paths import open_parent
from agentbatch.workspace.watch.changed_since import Changed

_PRIVILEGES = stat.S_ISUID | stat.S_ISGID
CAPABILITIES = "security.capability"
"""Name of the attribute by which a program has rights of root's, whoever starts it. Only root can give one."""


def take_privileges(root: Path, changed: Iterable[Changed]) -> list[str]:
    """Take set-user-id, set-group-id and capabilities from every one of the files below `root`; returns the paths.
    Folders keep theirs, which only hand a group on."""
    found = []
    for path, status in changed:
        if status.st_mode & _PRIVILEGES or _has_capabilities(os.path.join(root, path)):
            with suppress(OSError):
                if _taken(root, path):
                    found.append(path)
    return found


def _has_capabilities(path: str) -> bool:
    if os.geteuid() != 0 or not hasattr(os, "listxattr"):
        return False
    try:
        return CAPABILITIES in os.listxattr(path, follow_symlinks=False)
    except OSError:
        return False


def _taken(root: Path, path: str) -> bool:
    with open_parent(root, path) as (at, base):
        status = os.stat(base, dir_fd=at, follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return False
        # By its name, since we need not be able to read it; nothing of the task's runs any more.
        if status.st_mode & _PRIVILEGES:
            os.chmod(base, stat.S_IMODE(status.st_mode) & ~_PRIVILEGES, dir_fd=at)
        held = f"/proc/self/fd/{at}/{base}"
        if _has_capabilities(held):
            os.removexattr(held, CAPABILITIES, follow_symlinks=False)
        return True
