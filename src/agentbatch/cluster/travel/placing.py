"""Bringing a directory to what a plan says. A coder may have filled it, so no link is followed on any way; each file is
replaced in one step, so that a kill in the middle leaves it either as it was or as it is to be. All of it blocks."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from threading import Event

from agentbatch.cluster.travel.manifest import Entry, shown
from agentbatch.cluster.travel.plan import Plan
from agentbatch.workspace.files.replace import unfinished_name
from agentbatch.workspace.files.ways import Ways

MODES = 0o777
"""What of a mode is ever set: no program gets somebody else's rights by it."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_LATEST = 2**62
"""Nanoseconds: no disk keeps times beyond."""

Contents = Callable[[str], Iterable[bytes]]
"""A content by its digest, block by block; raises OSError where it is not there."""


class Placing:
    def __init__(self, root: Path, want: Mapping[str, Entry], contents: Contents, stop: Event) -> None:
        self._root = root
        self._want = want
        self._contents = contents
        self._stop = stop
        self.problems: dict[str, str] = {}
        """A sentence by path."""
        self.spoilt = ""
        """The digest of a content that was not what it says."""

    def carry_out(self, plan: Plan) -> None:
        """What cannot be done is in `problems`. Raises OSError where the disk is full, and for a content that is not
        there or is not what its digest says: then it has to be begun again."""
        self._each(plan.remove, self._remove)
        self._each(plan.folders, self._make_folder)
        self._each(sorted(plan.write, key=_folder_of), self._write)
        self._each(plan.modes, self._set_mode)

    def _each(self, paths: Iterable[str], do: Callable[[int, str, str], None]) -> None:
        """Those that lie in one folder, one after another, by one way to it."""
        with Ways(self._root) as ways:
            for folder, inside in groupby(paths, _folder_of):
                try:
                    at = ways.to(folder)
                except OSError as error:
                    for path in inside:
                        self._note(path, error)
                    continue
                for path in inside:
                    if self._stop.is_set():
                        return
                    self._try(do, at, path)

    def _try(self, do: Callable[[int, str, str], None], at: int, path: str) -> None:
        try:
            do(at, path.rpartition("/")[2], path)
        except _Unusable:
            raise
        except OSError as error:
            if error.errno in _FULL:
                raise _Unusable(
                    error.errno, f"{error.strerror}: {shown(path)} could not be brought"
                ) from error
            self._note(path, error)

    def _note(self, path: str, error: OSError) -> None:
        sentence = f"{shown(path)} could not be brought: {error.strerror or error}."
        self.problems.setdefault(path, sentence)

    def _remove(self, at: int, name: str, path: str) -> None:
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                try:
                    os.rmdir(name, dir_fd=at)
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or path in self._want:
                        raise  # otherwise it stays for what is in it that does not travel
            else:
                os.unlink(name, dir_fd=at)

    def _make_folder(self, at: int, name: str, path: str) -> None:
        try:
            os.mkdir(name, 0o700 | self._want[path].mode & MODES, dir_fd=at)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                raise

    def _write(self, at: int, name: str, path: str) -> None:
        entry, fresh = self._want[path], unfinished_name()
        try:
            if entry.kind == "link":
                os.symlink(entry.digest, fresh, dir_fd=at)
            else:
                self._fill(at, fresh, name, entry)
            os.replace(fresh, name, src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=at)
            raise

    def _fill(self, at: int, fresh: str, name: str, entry: Entry) -> None:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=at)
        with open(handle, "wb") as file:
            digest = hashlib.sha256()
            for block in self._checked(entry.digest):
                digest.update(block)
                if block.strip(b"\0"):
                    file.write(block)
                else:
                    file.seek(len(block), os.SEEK_CUR)  # a hole takes no room
            file.truncate()
            if digest.hexdigest() != entry.digest or file.tell() != entry.size:
                self.spoilt = entry.digest
                raise _Unusable(errno.ESTALE, "A content is not what its digest says any more", name)
            file.flush()
            _keep_owner(handle, at, name)
            os.fchmod(handle, entry.mode & MODES)
            if entry.mtime:
                then = max(-_LATEST, min(entry.mtime, _LATEST))
                os.utime(handle, ns=(then, then))

    def _checked(self, digest: str) -> Iterator[bytes]:
        try:
            yield from self._contents(digest)
        except OSError as error:
            raise _Unusable(errno.ESTALE, f"A content cannot be read: {error.strerror}") from error

    def _set_mode(self, at: int, name: str, path: str) -> None:
        entry = self._want[path]
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
        try:
            kind = os.fstat(handle).st_mode
            if (stat.S_ISDIR if entry.kind == "folder" else stat.S_ISREG)(kind):
                os.fchmod(handle, entry.mode & MODES)
        finally:
            os.close(handle)


class _Unusable(OSError):
    """It ends the whole."""


def _keep_owner(handle: int, at: int, name: str) -> None:
    """The one that the file had; only root can give files away."""
    with suppress(FileNotFoundError, PermissionError):
        before = os.stat(name, dir_fd=at, follow_symlinks=False)
        if stat.S_ISREG(before.st_mode):
            os.fchown(handle, before.st_uid, before.st_gid)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]
