"""What setups have made, kept by what it was made of, for fresh worktrees like the one that it was made in.

An entry is made of what a setup left in a worktree in which no coder has been, under a name that was reckoned before
the setup ran. It lies beside the runs, which no sandbox shows. Files come and go by copies, whose blocks are shared
where the disk can: a link would let a coder write into what others get.
"""

import asyncio
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from threading import Event
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.files import make_missing, open_folder, open_own
from agentbatch.patterns import regex
from agentbatch.text import clip
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.paths import open_parent
from agentbatch.workspace.files.removal import remove_tree
from agentbatch.workspace.isolation.copy.copies import copy_file, copy_tree, entries
from agentbatch.workspace.workspace import Order, RecalledSetup, SetupCache

FOLDER = "setup"
"""Beside the folder of runs."""
VERSION = 1
"""Of what is in a name."""
MAX_FILES = 300_000
MAX_BYTES = 4 * 1024**3
"""Of one entry."""
MAX_TOTAL = 20 * 1024**3
"""Of all; those that were used last stay."""
MIN_FREE = 2 * 1024**3
"""Bytes that the disk must have left beside an entry."""
MAX_KEY = 64 * 1024**2
"""Bytes of a file that is part of a name."""
STALE = 3600.0
"""Seconds after which what was half kept was left behind by a killed process."""

_HALF = ".half-"
_OURS = regex(r"[0-9a-f]{64}|\.half-[0-9a-f]{16}")
"""What is ever removed: a repository, or a task without a sandbox, may have put anything else in here."""
_KEY_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Size(NamedTuple):
    files: int
    bytes: int


class CacheFolder(NamedTuple):
    """One folder of a user's, shared by the runs in it. All of it blocks: call it in a thread. Where the folder is a
    link, each raises UserError."""

    path: Path

    def bring(self, name: str, root: Path, paths: Sequence[str], stop: Event) -> bool:
        """Put an entry's files into a fresh worktree, all of them or none; False: there is no such entry, or the place
        has something there already. What is damaged goes. Raises OSError; CopyStopped."""
        place = self.path / name
        with self._held(fcntl.LOCK_SH):
            if not (place / "size").is_file():
                return False
            made: list[Path] = []
            try:
                for number, path in enumerate(paths):
                    _copy(place / str(number), root, path, stop)
                    made.append(root / path)
                if _measured(made) != _size_of(place):
                    raise OSError(errno.EIO, "It is not what was kept")
            except BaseException as error:
                for one in made:
                    _remove(one)
                if isinstance(error, FileExistsError):
                    return False
                if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    remove_tree(place)
                    return False
                raise
            os.utime(place / "size")
        return True

    def keep(self, name: str, root: Path, paths: Sequence[str], stop: Event) -> str:
        """Make an entry of what lies there; returns why not, as part of a sentence. Raises OSError; CopyStopped."""
        for path in paths:
            _check_real(root, path)
        size = _measured([root / path for path in paths])
        if size.files > MAX_FILES or size.bytes > MAX_BYTES:
            return f"it has {size.files:,} files and {size.bytes:,} bytes, more than is kept"
        with self._held(fcntl.LOCK_SH):
            pass  # it is there, and ours
        if shutil.disk_usage(self.path).free < size.bytes + MIN_FREE:
            return "the disk has too little room"
        self._clean(size.bytes)
        half = self.path / f"{_HALF}{token_hex(8)}"
        half.mkdir(mode=0o700)
        try:
            for number, path in enumerate(paths):
                _copy_out(root / path, half / str(number), stop)
            kept = _measured([half / str(number) for number in range(len(paths))])
            (half / "size").write_text(json.dumps(kept), "utf-8")
            with suppress(FileExistsError), self._held(fcntl.LOCK_EX):
                if not (self.path / name).exists():
                    half.rename(self.path / name)
        finally:
            if half.exists():
                remove_tree(half)
        return ""

    def clear(self) -> None:
        """Nothing is kept any more. Raises OSError."""
        if self.path.is_dir():
            with self._held(fcntl.LOCK_EX):
                for place in self._places():
                    remove_tree(place)

    def _clean(self, room: int) -> None:
        """What was half kept goes, and what was used longest ago, until so many bytes more fit."""
        found: list[tuple[float, int, Path]] = []
        with self._held(fcntl.LOCK_EX):
            for place in self._places():
                try:
                    used, size = (place / "size").stat().st_mtime, _size_of(place).bytes
                except OSError:
                    if time.time() - place.stat().st_mtime > STALE:
                        remove_tree(place)
                    continue
                found.append((used, size, place))
            total = sum(size for _, size, _ in found)
            for _, size, place in sorted(found):
                if total + room <= MAX_TOTAL:
                    break
                remove_tree(place)
                total -= size

    def _places(self) -> list[Path]:
        with suppress(OSError), os.scandir(self.path) as found:
            return sorted(
                Path(one.path)
                for one in found
                if _OURS.fullmatch(one.name) and one.is_dir(follow_symlinks=False)
            )
        return []

    @contextmanager
    def _held(self, how: int) -> Iterator[None]:
        self.path.mkdir(parents=True, exist_ok=True)
        if self.path.is_symlink():
            raise UserError(
                f"{self.path} is a link, which a repository or a task may have put there. Remove it to go on."
            )
        handle = open_own(self.path / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, how)
            yield
        finally:
            os.close(handle)


class SetupCaches:
    """Of a run's tasks, with the folder that they have in common; None: nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = CacheFolder(folder) if folder is not None else None
        self._under_way: dict[str, asyncio.Lock] = {}
        self._failed: set[str] = set()

    async def begin(self, name: str) -> asyncio.Lock | None:
        """One setup of a name at a time: the others find what it has made. None: one has failed, and nobody waits."""
        if name in self._failed:
            return None
        lock = self._under_way.setdefault(name, asyncio.Lock())
        await lock.acquire()
        if name in self._failed:
            lock.release()
            return None
        return lock

    def failed(self, name: str) -> None:
        self._failed.add(name)


class PlaceCache:
    """One place's."""

    def __init__(self, run: SetupCaches, disk: DiskWork, order: Order) -> None:
        self._run = run
        self._disk = disk
        self._cache = order.setup_cache
        self._name = ""
        self._lock: asyncio.Lock | None = None
        self._root = Path()

    async def recall(self, root: Path, made_by: Mapping[str, object] | None) -> RecalledSetup:
        """`made_by`: what else the setup's work depends on; None: the place is none whose beginning is known."""
        cache, folder = self._cache, self._run.folder
        if cache is None:
            return RecalledSetup()
        if made_by is None or folder is None:
            return RecalledSetup(notice="setup_cache is for worktrees: what setup has made here is not kept.")
        self._root, stop = root, Event()
        try:
            name = await self._disk.run(partial(name_of, root, cache, made_by))
            self._lock = await self._run.begin(name)
            self._name = name
            found = await self._disk.run(partial(folder.bring, name, root, cache.paths, stop), stop)
        except (OSError, UserError) as error:
            self.end()
            return RecalledSetup(notice=f"setup_cache is not used: {error}")
        if found:
            self._name = ""
            self.end()
        return RecalledSetup(found)

    async def keep(self) -> str:
        cache, folder, name, stop = self._cache, self._run.folder, self._name, Event()
        if cache is None or folder is None or not name:
            return ""
        try:
            why = await self._disk.run(partial(folder.keep, name, self._root, cache.paths, stop), stop)
            if not why:
                self._name = ""
        except (OSError, UserError) as error:
            why = str(error)
        finally:
            self.end()
        return f"What setup has made is not kept: {why}." if why else ""

    def end(self) -> None:
        """Nobody waits for it any more. Safe to repeat."""
        lock, self._lock = self._lock, None
        if self._name:
            self._run.failed(self._name)
        if lock is not None:
            lock.release()


def name_of(root: Path, cache: SetupCache, made_by: Mapping[str, object]) -> str:
    """By the contents of its key's files as they are now, and all else that says what setup makes. Raises UserError for
    a file that is not there, is a link, or too large."""
    contents = {path: _digest(root, path) for path in cache.key}
    whole = {"version": VERSION, "key": contents, "paths": cache.paths, **made_by}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _digest(root: Path, path: str) -> str:
    shown = clip(path, 200)
    try:
        with open_parent(root, path) as (folder, name):
            handle = os.open(name, _KEY_FILE, dir_fd=folder)
    except OSError as error:
        raise UserError(f"its key {shown} cannot be read ({error.strerror})") from None
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_KEY:
            raise UserError(f"its key {shown} is no file, or too large")
        return hashlib.sha256(file.read(MAX_KEY)).hexdigest()


def _check_real(root: Path, path: str) -> None:
    """Raises OSError where it, or a folder above it, is a link."""
    *folders, name = path.split("/")
    with open_folder(root, folders) as folder:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise OSError(errno.ELOOP, "It is a link, or no file", path)


def _copy(source: Path, root: Path, path: str, stop: Event) -> None:
    """Into the place, which has nothing there yet. Raises FileExistsError, OSError."""
    try:
        with open_parent(root, path, make_missing):
            pass
    except OSError as error:  # the way to it is none of folders
        raise FileExistsError(errno.EEXIST, str(error), path) from None
    _copy_out(source, root / path, stop)


def _copy_out(source: Path, target: Path, stop: Event) -> None:
    try:
        if source.is_dir() and not source.is_symlink():
            copy_tree(source, target, (), stop)
        else:
            copy_file(str(source), str(target), stop)
    except UserError as error:
        cause = error.__cause__
        raise cause if isinstance(cause, OSError) else OSError(errno.EIO, str(error)) from None
    _without_privileges(target)


def _without_privileges(target: Path) -> None:
    for entry in entries(target, ()):
        if not entry.is_symlink():
            mode = entry.stat(follow_symlinks=False).st_mode
            if mode & (stat.S_ISUID | stat.S_ISGID):
                os.chmod(entry.path, stat.S_IMODE(mode) & 0o777)


def _measured(places: Sequence[Path]) -> Size:
    files = size = 0
    for place in places:
        found = [place] if not place.is_dir() or place.is_symlink() else entries(place, ())
        for entry in found:
            status = entry.stat(follow_symlinks=False)
            files, size = files + 1, size + (status.st_size if stat.S_ISREG(status.st_mode) else 0)
            if files > MAX_FILES:
                return Size(files, size)
    return Size(files, size)


def _size_of(place: Path) -> Size:
    """Raises OSError, also where it says none."""
    try:
        return Size(*json.loads((place / "size").read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise OSError(errno.EIO, str(error), str(place)) from None


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    else:
        place.unlink(missing_ok=True)
