"""What a command can leave in a container outside of all folders of ours: in /dev, which its root may write to."""

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

DEVICES = "dev"
_ALWAYS_NEW = "dev/pts"
"""Terminals, which come and go."""
MAX_SEEN = 1_000


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
