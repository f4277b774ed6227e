"""What a directory holds now: its manifest. A coder may be at work in it, so no link is followed on any way."""

import errno
import hashlib
import os
import stat
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import cast

from agentbatch.cluster.travel.manifest import (
    MAX_BYTES,
    UNSENT,
    Entry,
    Manifest,
    check_size,
    is_ours,
    is_path,
)
from agentbatch.workspace.files.snapshot.signatures import (
    Settled,
    Signature,
    again,
    settled_now,
    signature_of,
)
from agentbatch.workspace.files.ways import Ways
from agentbatch.workspace.workspace import SIGNATURE

BLOCK = 1024 * 1024
SENT_MODE = 0o777
"""What of a mode travels."""
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""For what was a file a moment ago: a link is not followed, a fifo not waited for."""


@dataclass
class Scanned:
    manifest: Manifest = field(default_factory=dict)
    signatures: bytes = b""
    """By which the next scan knows that a file is unchanged, SIGNATURE for each of the files, in their order."""

    def by_path(self) -> dict[str, Signature]:
        files = (path for path, entry in self.manifest.items() if entry.kind == "file")
        unpacked = cast(Iterator[Signature], SIGNATURE.iter_unpack(self.signatures))
        return dict(zip(files, unpacked, strict=True))


def scan(root: Path, before: Scanned, left_out: Collection[str], stop: Event) -> Scanned:
    """`before`: the scan before it, whose unchanged files are not read again; `left_out`: paths, with all below. Soon
    after `stop` is set it ends, and what it returns is worth nothing. Raises UserError for what is too much, OSError
    where the directory itself cannot be read."""
    found: dict[str, Entry] = {}
    reader = _Reader(before, settled_now(root), stop)
    folders, characters = [""], 0
    with Ways(root) as ways:
        while folders and not stop.is_set():
            folder = folders.pop()
            try:
                inside = _look(ways.to(folder), folder, left_out, reader)
            except OSError as error:
                if not folder:
                    raise
                if isinstance(error, PermissionError):
                    found[folder] = Entry("folder", found[folder].mode, 0, UNSENT)
                else:
                    del found[folder]  # gone meanwhile, or something else is there now
                continue
            found |= inside
            folders += [path for path, entry in inside.items() if entry.kind == "folder"]
            characters += sum(map(len, inside))
            check_size(len(found), characters, 0)
    manifest = dict(sorted(found.items()))
    files = (path for path, entry in manifest.items() if entry.kind == "file")
    return Scanned(manifest, b"".join(SIGNATURE.pack(*reader.signatures[path]) for path in files))


def look(root: Path, paths: Iterable[str], left_out: Collection[str], stop: Event) -> dict[str, Entry]:
    """What is at some paths, in order, whoever named them; a folder's says nothing of what is in it. `left_out` and
    `stop` as above. Raises OSError where the directory itself cannot be read."""
    found: dict[str, Entry] = {}
    reader = _Reader(Scanned(), settled_now(root), stop)
    with Ways(root) as ways:
        for path in paths:
            folder, _, name = path.rpartition("/")
            if not is_path(path) or is_ours(name) or path in left_out or (folder and folder not in found):
                continue
            with suppress(OSError):
                way = ways.to(folder)
                one = reader.entry(way, name, path, os.stat(name, dir_fd=way, follow_symlinks=False))
                if one is not None:
                    found[path] = one
    return found


def _look(way: int, folder: str, left_out: Collection[str], reader: "_Reader") -> dict[str, Entry]:
    """What is in one folder. Raises OSError."""
    found = {}
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=way)
    try:
        with os.scandir(handle) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if path in left_out or is_ours(entry.name):
                    continue
                with suppress(FileNotFoundError):
                    one = reader.entry(handle, entry.name, path, entry.stat(follow_symlinks=False))
                    if one is not None:
                        found[sys.intern(path)] = one
    finally:
        os.close(handle)
    return found


def _link(folder: int, name: str) -> Entry:
    """Raises FileNotFoundError, also where it is no link any more."""
    try:
        return Entry("link", 0, 0, os.readlink(name, dir_fd=folder))
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise FileNotFoundError(errno.ENOENT, "It is no link any more", name) from None
        raise


class _Reader:
    def __init__(self, before: Scanned, settled: Settled, stop: Event) -> None:
        self._before = before.manifest
        self._known = before.by_path()
        self._settled = settled
        self._stop = stop
        self._room = MAX_BYTES
        self.signatures: dict[str, Signature] = {}

    def entry(self, folder: int, name: str, path: str, status: os.stat_result) -> Entry | None:
        """None: it is neither file, link nor folder. Raises FileNotFoundError."""
        if stat.S_ISDIR(status.st_mode):
            return Entry("folder", status.st_mode & SENT_MODE, 0, "")
        if stat.S_ISLNK(status.st_mode):
            return _link(folder, name)
        if not stat.S_ISREG(status.st_mode):
            return None
        old, signature = self._before.get(path), signature_of(status)
        if old is None or self._known.get(path) != signature:
            old, signature = self._read(folder, name, status)
        self.signatures[path] = signature
        if old.digest != UNSENT:
            self._room -= old.size
        return old

    def _read(self, folder: int, name: str, status: os.stat_result) -> tuple[Entry, Signature]:
        unsent = Entry("file", status.st_mode & SENT_MODE, 0, UNSENT), again(signature_of(status))
        if status.st_size > self._room:
            return unsent
        try:
            handle = os.open(name, _FLAGS, dir_fd=folder)
        except FileNotFoundError:
            raise
        except OSError:
            return unsent
        with open(handle, "rb", buffering=0) as file:
            status = os.fstat(handle)
            digest, size = hashlib.sha256(), 0
            while not self._stop.is_set() and size <= self._room and (block := file.read(BLOCK)):
                digest.update(block)
                size += len(block)
        if not stat.S_ISREG(status.st_mode) or size > self._room:
            return unsent
        entry = Entry("file", status.st_mode & SENT_MODE, size, digest.hexdigest(), status.st_mtime_ns)
        signature = signature_of(status)
        return entry, self._settled.keep(status, signature) if size == status.st_size else again(signature)
