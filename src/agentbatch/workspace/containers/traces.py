"""What a command can leave in a container outside of all folders of ours: in /dev, which its root may write to, and in
what System V has programs speak with each other by."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

from agentbatch.workspace.containers.inhabitants import SYSTEM, entering

DEVICES = "dev"
_ALWAYS_NEW = "dev/pts"
"""Terminals, which come and go."""
MAX_SEEN = 1_000


_SYSTEM_V = ("shm", "sem", "msg")
"""Files of /proc/sysvipc, where each is a line after a first one."""
PATIENCE = 10.0
"""Seconds for a look from inside."""


class Device(NamedTuple):
    path: str
    mode: int
    owner: tuple[int, int]
    number: int
    """Of the device that it is."""
    inode: int
    size: int
    target: str
    """Of a link."""


def devices(first: int) -> frozenset[Device] | None:
    """What lies in /dev of the container whose first process that is, memory that programs share included. None: it
    cannot be looked at from here, or is too much."""
    try:
        found = frozenset(_below(f"/proc/{first}/root", DEVICES))
    except (OSError, OverflowError):
        return None
    return found


def _below(root: str, folder: str) -> Iterator[Device]:
    """Raises OSError, OverflowError."""
    waiting, seen = [folder], 0
    while waiting:
        at = waiting.pop()
        with os.scandir(f"{root}/{at}") as entries:
            for entry in entries:
                seen += 1
                if seen > MAX_SEEN:
                    raise OverflowError
                path = f"{at}/{entry.name}"
                status = entry.stat(follow_symlinks=False)
                link = os.readlink(entry.path) if stat.S_ISLNK(status.st_mode) else ""
                size = 0 if stat.S_ISDIR(status.st_mode) else status.st_size
                owner = status.st_uid, status.st_gid
                yield Device(path, status.st_mode, owner, status.st_rdev, status.st_ino, size, link)
                if stat.S_ISDIR(status.st_mode) and path != _ALWAYS_NEW:
                    waiting.append(path)


def speaks_by_system_v(first: int) -> bool | None:
    """Whether there is memory, a semaphore or a queue of System V in the container whose first process that is. None:
    it cannot be seen from here. Slow."""
    if not os.path.isdir("/proc/sysvipc"):
        return False  # this kernel has none
    words = entering(f"/proc/{first}/ns", "ipc")
    if words is None:
        return None
    try:
        shown = subprocess.run(
            [
                *words,
                shutil.which("cat", path=SYSTEM) or "cat",
                *(f"/proc/sysvipc/{one}" for one in _SYSTEM_V),
            ],
            env={"PATH": SYSTEM, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return len(shown.stdout.splitlines()) > len(_SYSTEM_V)
