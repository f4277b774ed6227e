"""A task's own copy of its directory."""

import errno
import os
import shutil
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from threading import Event

from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.text import clip
from agentbatch.workspace.watch.privileges import CAPABILITIES

BLOCK = 8 * 1024 * 1024
"""Bytes copied between two looks at whether the copy is still wanted."""
READ = 64 * 1024
"""Bytes read at once where the disk does not copy by itself; a larger buffer is mapped and unmapped for each file."""
MAX_GITFILE = 8192
_NO_RANGES = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM})
"""What copy_file_range says where the disk cannot: then bytes go through us."""
_NO_ATTRIBUTES = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENODATA, errno.EINVAL, errno.EACCES})
"""What a disk says that does not keep one."""


class CopyStopped(Exception):
    """The copy is not wanted any more."""


def copy_tree(source: Path, target: Path, leave_out: Collection[Path], stop: Event) -> None:
    """Copy the directory as it is, git-ignored files too; `target` must not exist, `source` may not.

    Links stay links, modes and times are kept, blocks are shared where the disk can (btrfs, xfs). Left out: runs'
    folders, `leave_out` (absolute: env files with keys), sockets, fifos and devices, and a `.git` that only points to
    a repository elsewhere, by which a command in the copy would change the original. Raises UserError in a
    sentence, also when the disk is full; CopyStopped soon after `stop` is set.
    """
    unwanted = {target, *leave_out}
    made: list[tuple[str, str]] = []
    try:
        target.mkdir(parents=True)
        for entry in entries(source, unwanted):
            if stop.is_set():
                raise CopyStopped
            place = f"{target}{entry.path[len(str(source)) :]}"
            if entry.is_dir(follow_symlinks=False):
                os.mkdir(place)
                made.append((entry.path, place))
            elif entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)
                shutil.copystat(entry.path, place, follow_symlinks=False)
            else:
                copy_file(entry.path, place, stop)
        # Last and from the inside out: a folder may be read-only, and its time changes with what is put in.
        for origin, place in reversed(made):
            shutil.copystat(origin, place, follow_symlinks=False)
        if source.is_dir():
            os.chmod(target, stat.S_IMODE(source.stat().st_mode) | stat.S_IRWXU)
    except OSError as error:
        raise UserError(_sentence(error, source)) from error


def entries(source: Path, unwanted: Collection[Path]) -> Iterator[os.DirEntry[str]]:
    """What is copied, every folder before what is in it."""
    folders = [str(source)] if source.is_dir() else []
    left_out = {str(path) for path in unwanted}
    while folders:
        with os.scandir(folders.pop()) as found:
            entries = list(found)
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            if (is_folder and entry.name == STATE_FOLDER) or entry.path in left_out:
                continue
            if not (is_folder or entry.is_symlink() or entry.is_file(follow_symlinks=False)):
                continue
            if entry.name == ".git" and not is_folder and _leads_out(Path(entry.path), source):
                continue
            yield entry
            if is_folder:
                folders.append(entry.path)


def _leads_out(pointer: Path, source: Path) -> bool:
    """Whether a `.git` that is a file or a link means a repository which the copy does not hold at the same place."""
    if pointer.is_symlink():
        return True
    with open(pointer, "rb") as file:
        named = os.fsdecode(file.read(MAX_GITFILE)).strip().removeprefix("gitdir:").strip()
    return os.path.isabs(named) or not Path(os.path.normpath(pointer.parent / named)).is_relative_to(source)


def copy_file(origin: str, place: str, stop: Event) -> None:
    # What was a file a moment ago may be a link or a fifo now: follow neither, wait for neither.
    reading = os.open(origin, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(reading)
        writing = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            copy_open(reading, writing, status, stop)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def copy_open(reading: int, writing: int, status: os.stat_result, stop: Event) -> None:
    """`status`: of what is read."""
    if stat.S_ISREG(status.st_mode):
        _pour(reading, writing, stop)
    _keep_facts(reading, writing, status)


def _keep_facts(reading: int, writing: int, status: os.stat_result) -> None:
    """Times, extended attributes where the disk takes them, and mode, as `shutil.copystat` does by the names. No rights
    of root's: who may change the copy gives the program that has them other work."""
    os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
    if hasattr(os, "listxattr"):
        try:
            for name in os.listxattr(reading):
                if name == CAPABILITIES:
                    continue
                os.setxattr(writing, name, os.getxattr(reading, name))
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTES:
                raise
    os.fchmod(writing, stat.S_IMODE(status.st_mode))


def _pour(reading: int, writing: int, stop: Event) -> None:
    ranges = hasattr(os, "copy_file_range")
    while not stop.is_set():
        if ranges:
            try:
                copied = os.copy_file_range(reading, writing, BLOCK)
            except OSError as error:
                if error.errno not in _NO_RANGES:
                    raise
                ranges = False
                continue
            if copied:
                continue
            # Files of /proc and some network disks say 0 at once: only reading shows the end for certain.
        block = os.read(reading, READ)
        if not block:
            return
        while block:
            block = block[os.write(writing, block) :]
    raise CopyStopped


def _sentence(error: OSError, source: Path) -> str:
    shown = clip(str(source), 200)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The disk is full: there is no room for a copy of {shown}. Make room (`agentbatch prune` removes the "
            "copies of earlier runs), or run fewer tasks with isolation copy."
        )
    where = f" ({clip(str(error.filename), 200)})" if error.filename else ""
    return (
        f"{source} cannot be copied: {error.strerror or error}{where}. Mend that, or use another isolation."
    )
