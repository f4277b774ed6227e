"""A checkpoint of a task's directory: a copy of it, and the directory brought back to that. All of it blocks."""

import os
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import BinaryIO

from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.text import clip
from agentbatch.workspace.files.removal import open_up, remove_tree
from agentbatch.workspace.files.replace import unfinished_name
from agentbatch.workspace.isolation.copy.copies import CopyStopped, copy_file, copy_tree, entries

BLOCK = 1024 * 1024


def copy_or_nothing(source: Path, target: Path, leave_out: Collection[Path], stop: Event) -> None:
    """`copy_tree`, and nothing of `target` is left where that fails."""
    try:
        copy_tree(source, target, leave_out, stop)
    except BaseException:
        with suppress(OSError):
            remove_tree(target)
        raise


def restore_tree(kept: Path, root: Path, leave_out: Collection[Path], stop: Event) -> None:
    """Bring `root` back to what it was when `copy_tree` made `kept` of it. What that leaves out is not touched.

    First goes what was added, then each file that differs is replaced in one step, so that a kill in the middle leaves
    every file either as it was or as it is to be. No link is followed. Raises UserError in a sentence; CopyStopped
    soon after `stop` is set.
    """
    try:
        _open_up_all(root)
        wanted = {os.path.relpath(entry.path, kept): entry for entry in entries(kept, ())}
        for entry in reversed(list(entries(root, leave_out))):  # what is in a folder before the folder
            _look_at(stop)
            want = wanted.get(os.path.relpath(entry.path, root))
            if want is None or _kind(want) != _kind(entry):
                _remove(entry, needed=want is not None)
        folders = []
        for path, entry in wanted.items():
            _look_at(stop)
            place = root / path
            if entry.is_dir(follow_symlinks=False):
                _make_folder(place)
                folders.append((entry.path, place))
            elif entry.is_symlink():
                _put_link(entry.path, place)
            elif not _same(entry.path, place):
                _put_file(entry.path, place, stop)
            else:
                shutil.copystat(entry.path, place, follow_symlinks=False)
        for origin, place in reversed(folders):
            shutil.copystat(origin, place, follow_symlinks=False)
    except OSError as error:
        where = f" ({clip(str(error.filename), 200)})" if error.filename else ""
        raise UserError(
            f"{root} cannot be brought back to its checkpoint: {error.strerror or error}{where}."
        ) from error


def _look_at(stop: Event) -> None:
    if stop.is_set():
        raise CopyStopped


def _open_up_all(root: Path) -> None:
    """Folders that the task took its own permissions from."""
    folders = [root]
    while folders:
        folder = folders.pop()
        open_up(folder)
        with os.scandir(folder) as found:
            folders += [
                Path(entry.path)
                for entry in found
                if entry.is_dir(follow_symlinks=False) and entry.name != STATE_FOLDER
            ]


def _kind(entry: os.DirEntry[str]) -> str:
    return "link" if entry.is_symlink() else "folder" if entry.is_dir(follow_symlinks=False) else "file"


def _remove(entry: os.DirEntry[str], *, needed: bool) -> None:
    """`needed`: something else comes in its place."""
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.path)
        return
    try:
        os.rmdir(entry.path)
    except OSError:
        if needed:
            raise  # otherwise it stays for what is in it that no checkpoint holds


def _make_folder(place: Path) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(place.lstat().st_mode):
            return
        place.unlink()  # a fifo or the like, which is no entry
    place.mkdir()


def _put_link(origin: str, place: Path) -> None:
    target = os.readlink(origin)
    if not (place.is_symlink() and os.readlink(place) == target):
        fresh = place.parent / unfinished_name()
        os.symlink(target, fresh)
        os.replace(fresh, place)
    shutil.copystat(origin, place, follow_symlinks=False)


def _put_file(origin: str, place: Path, stop: Event) -> None:
    fresh = place.parent / unfinished_name()
    try:
        copy_file(origin, str(fresh), stop)
        os.replace(fresh, place)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _same(origin: str, place: Path) -> bool:
    """By content: times can be set by anybody."""
    try:
        status = place.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != os.stat(origin).st_size:
        return False
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(origin, "rb") as one, open(handle, "rb") as other:
        return all(block == other.read(BLOCK) for block in _blocks(one))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block
