"""By what a snapshot knows that a file is unchanged without reading it: size, mtime, inode and ctime.

The ctime is what counts: every write, chmod, rename and utime sets it to the system's clock, and no program can set it
otherwise; but for a disk in memory (UNSTAMPED), all of which is read each time. It counts in ticks, so a file that
changed in the tick in which it was read may change again without a new one (git calls such entries racy): it is read
again next time.
"""

import os
import re
import sys
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

from agentbatch.patterns import regex
from agentbatch.workspace.workspace import SIGNATURE, Snapshot

Signature = tuple[int, int, int, int]
"""Size, mtime, inode, ctime; times in nanoseconds, all modulo 2^64: a forged mtime can lie beyond."""

RACY = 2_000_000_000
"""Nanoseconds: in such steps FAT counts, and some servers' clocks are not ours."""
RACY_HERE = 20_000_000
"""The same on a disk of this machine, whose stamps are of the clock that CLOCK_REALTIME_COARSE shows: two ticks of the
slowest."""
LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "overlay", "zfs", "bcachefs"})
"""Filesystems whose stamps are of this machine's clock."""
UNSTAMPED = frozenset({"tmpfs", "devtmpfs"})
"""Filesystems of which a file can be written without any stamp: through a shared mapping whose page was read first, for
Linux tells shmem of no first write to a page (it has no `page_mkwrite`), as it does those of disks."""
_COARSE = 5
"""CLOCK_REALTIME_COARSE of Linux, which Python has no name for: the tick by which files are stamped. `time.time_ns`
runs ahead of it by any time while ticks are missed, as on a machine that is short of processors."""
_READ_AGAIN = 2**64 - 1
"""As the size: nothing equals it."""
_64 = 2**64 - 1
_ESCAPED = regex(r"\\([0-7]{3})")
"""A blank or the like in the path of a mount."""


def signature_of(status: os.stat_result) -> Signature:
    return (status.st_size, status.st_mtime_ns & _64, status.st_ino & _64, status.st_ctime_ns & _64)


def again(signature: Signature) -> Signature:
    """One that is never met: its file is read again."""
    return (_READ_AGAIN, *signature[1:])


def is_kept(signature: Signature) -> bool:
    """The file that has it still need not be read."""
    return signature[0] != _READ_AGAIN


def by_path(snapshot: Snapshot) -> dict[str, Signature]:
    unpacked = cast(Iterable[Signature], SIGNATURE.iter_unpack(snapshot.signatures))
    return dict(zip(snapshot.files, unpacked, strict=False))


class Settled(NamedTuple):
    """Times, in nanoseconds since the epoch: whoever changes a file from now on gives it a later ctime."""

    here: int
    """On `device`, by the clock of this machine; 0: that is not known of any disk."""
    anywhere: int
    device: int
    """As `st_dev` has it."""
    unstamped: frozenset[int] = frozenset()
    """Devices of UNSTAMPED filesystems."""

    def keep(self, status: os.stat_result, signature: Signature) -> Signature:
        """The signature of a file that was not read before `self` was made: as it is, where the file cannot change
        again without another one."""
        stamp = status.st_ctime_ns
        if status.st_dev in self.unstamped:
            return again(signature)
        # Finer than a millisecond: no disk that rounds its stamps.
        if status.st_dev == self.device and stamp % 1_000_000:
            return signature if stamp < self.here else again(signature)
        return signature if max(status.st_mtime_ns, stamp) < self.anywhere else again(signature)


def settled_now(root: Path) -> Settled:
    """Called before files below `root` are read."""
    anywhere = time.time_ns() - RACY
    try:
        device = os.stat(root).st_dev
        # Tasks' directories lie side by side: what one is on, all are.
        place = root.parent if os.stat(root.parent).st_dev == device else root
    except OSError:
        device, place = -1, root
    if sys.platform != "linux" or device == -1:
        return Settled(0, anywhere, -1)
    kind, unstamped = _facts_of(place, device)
    if kind not in LOCAL:
        return Settled(0, anywhere, -1, unstamped)
    return Settled(time.clock_gettime_ns(_COARSE) - RACY_HERE, anywhere, device, unstamped)


@lru_cache(maxsize=256)
def _facts_of(root: Path, device: int) -> tuple[str, frozenset[int]]:
    """Its filesystem's name, as the kernel has it (empty: unknown), and the UNSTAMPED devices. `device`: its number, by
    which it is remembered."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return "", frozenset()
    path = os.path.realpath(root)
    kind, unstamped = kind_in(lines, path), unstamped_in(lines)
    return kind, unstamped | {device} if written_to(lines, path) in UNSTAMPED else unstamped


def unstamped_in(lines: Iterable[str]) -> frozenset[int]:
    """The devices of UNSTAMPED mounts, as `st_dev` has them."""
    found = set()
    for line in lines:
        mount, _, source = line.partition(" - ")
        major, _, minor = "".join(mount.split(" ")[2:3]).partition(":")
        if source.split(" ")[0] in UNSTAMPED and major.isdecimal() and minor.isdecimal():
            found.add(os.makedev(int(major), int(minor)))
    return frozenset(found)


def written_to(lines: Iterable[str], path: str) -> str:
    """The filesystem that what is written there lies on: of an overlay that of its upper folder, where it can be
    seen from here."""
    lines = list(lines)
    mount = _mount_of(lines, path)
    upper = re.search(r"(?:^|,)upperdir=([^,\s]+)", mount) if mount.startswith("overlay ") else None
    return kind_in(lines, _plain(upper[1])) if upper else mount.split(" ")[0]


def _plain(place: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), place)


def kind_in(lines: Iterable[str], path: str) -> str:
    """By the mounts as /proc/self/mountinfo lists them (proc(5))."""
    return _mount_of(lines, path).split(" ")[0]


def _mount_of(lines: Iterable[str], path: str) -> str:
    """Kind, source and options of the mount that holds `path`: of all that do, the innermost and last."""
    best, found = -1, ""
    for line in lines:
        mount, _, source = line.partition(" - ")
        fields = mount.split(" ")
        place = _plain(fields[4]) if len(fields) > 4 else ""
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if place and inside and len(place) >= best:
            best, found = len(place), source
    return found
