"""Contents by digest, kept as the packs that they came in: one file for thousands of them, which goes as a whole.

Several processes may use one folder. What is read of it is checked where it is used, for a task without a sandbox can
write there. All of it blocks.
"""

import errno
import os
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from agentbatch.cluster.travel.pack import HEADER, Checker
from agentbatch.files import open_own

PACK = 64 * 1024 * 1024
"""Bytes after which another file is begun."""
IN_USE = 600.0
"""Seconds for which a pack stays after somebody was told of it, whatever room there is."""
BLOCK = 1024 * 1024
_WHOLE, _UNFINISHED = ".pack", ".part"


class Place(NamedTuple):
    """Where a content lies."""

    pack: str
    """Name of its file."""
    at: int
    size: int


class Store:
    def __init__(self, folder: Path, max_bytes: int) -> None:
        """`max_bytes`: bytes that it holds; beyond them what was used longest ago goes. The folder is made when it is
        needed."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._places: dict[str, Place] = {}
        self._known: set[str] = set()
        """Packs whose contents are in `_places`."""
        self._own: set[str] = set()
        """Packs that came by this one."""
        self._checker = Checker(())
        self._writing: _Writing | None = None

    def find(self, digests: Iterable[str]) -> set[str]:
        """Those of them that are here; they stay for a while."""
        names = self._packs()
        for name in names - self._known:
            self._places |= {
                digest: Place(name, at, size) for digest, at, size in listed(self._folder / name)
            }
        self._forget(self._known - names)
        self._known |= names
        found = {digest: place.pack for digest in digests if (place := self._places.get(digest)) is not None}
        gone = {name for name in set(found.values()) if not self._keep_for_now(name)}
        self._forget(gone)
        return {digest for digest, name in found.items() if name not in gone}

    def read(self, digest: str) -> Iterator[bytes]:
        """A content as it lies here, block by block, right or not. Raises OSError where it is not here any more."""
        place = self._places.get(digest)
        if place is None:
            raise OSError(errno.ESTALE, "A content is not kept any more", digest)
        with open(self._folder / place.pack, "rb", opener=open_own) as file:
            file.seek(place.at)
            left = place.size
            while left and (block := file.read(min(BLOCK, left))):
                left -= len(block)
                yield block

    def begin(self, expected: Collection[str]) -> None:
        """From now on these may come, and nothing else. What is half of an earlier transfer is forgotten."""
        self.finish()
        self._checker = Checker(expected)

    def take(self, part: bytes) -> None:
        """A part of a pack, in order. Raises OSError; what was whole before holds all the same."""
        before = self._checker.at
        try:
            found = self._checker.feed(part)
            writing = self._writing = self._writing or _Writing(self._folder, before)
            writing.add(part, found)
        except BaseException:
            self.finish()
            raise
        if self._checker.at == self._checker.whole and writing.size >= PACK:
            self._close()

    def finish(self) -> None:
        """What has come whole stays here; nothing more comes."""
        self._checker = Checker(())
        self._close()
        self._make_room()

    def drop(self, digest: str) -> None:
        """It is not what it says, and what came with it may not be either: somebody has written there."""
        if (place := self._places.get(digest)) is not None:
            self._forget({place.pack})
            with suppress(OSError):
                os.unlink(self._folder / place.pack)

    def clear(self) -> None:
        """What this one has put there goes: it is needed no more."""
        self._close()
        for name in self._own:
            with suppress(FileNotFoundError):
                os.unlink(self._folder / name)
        self._forget(self._own)
        self._own = set()

    def _close(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None and (name := writing.close()):
            self._places |= {digest: Place(name, at, size) for digest, at, size in writing.found}
            self._known.add(name)
            self._own.add(name)

    def _packs(self) -> set[str]:
        try:
            return {name for name in os.listdir(self._folder) if name.endswith(_WHOLE)}
        except FileNotFoundError:
            return set()

    def _keep_for_now(self, name: str) -> bool:
        """False: another process has removed it."""
        try:
            os.utime(self._folder / name, follow_symlinks=False)
        except OSError:
            return False
        return True

    def _forget(self, packs: Collection[str]) -> None:
        if packs:
            self._places = {d: place for d, place in self._places.items() if place.pack not in packs}
            self._known -= set(packs)

    def _make_room(self) -> None:
        """Oldest first. What a killed process was still writing is gone an hour later at the latest."""
        found, now = [], time.time()
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime, status.st_size, entry.name))
        size = sum(size for _, size, _ in found)
        for changed, bytes_, name in sorted(found):
            stale = name.endswith(_UNFINISHED) and now - changed > 6 * IN_USE
            if stale or (name.endswith(_WHOLE) and size > self._max_bytes and now - changed > IN_USE):
                with suppress(OSError):
                    os.unlink(self._folder / name)
                    size -= bytes_
                    self._forget({name})


class _Writing:
    """A file of the store that is not whole yet."""

    def __init__(self, folder: Path, start: int) -> None:
        """`start`: where in all that comes it begins. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._start = start
        self._place = folder / f"{token_hex(16)}{_UNFINISHED}"
        self._handle = os.open(self._place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self.size = 0
        self.found: list[tuple[str, int, int]] = []
        """Digest, offset and size of the contents that are whole."""

    def add(self, part: bytes, found: Iterable[tuple[str, int, int]]) -> None:
        """Raises OSError."""
        view = memoryview(part)
        while view:
            block = view[:BLOCK]
            if len(block) == BLOCK and block[0] == 0 and not bytes(block).strip(b"\0"):
                os.lseek(self._handle, written := BLOCK, os.SEEK_CUR)  # a hole takes no room
            else:
                written = os.write(self._handle, block)
            self.size, view = self.size + written, view[written:]
        self.found += [(digest, at - self._start, size) for digest, at, size in found]

    def close(self) -> str:
        """What is half of it goes. Returns its name; empty: there was nothing else."""
        whole = max((at + size for _, at, size in self.found), default=0)
        try:
            if whole:
                os.ftruncate(self._handle, whole)
        finally:
            os.close(self._handle)
        if not whole:
            self._place.unlink(missing_ok=True)
            return ""
        name = f"{self._place.stem}{_WHOLE}"
        self._place.rename(self._place.with_name(name))
        return name


def listed(pack: Path) -> Iterator[tuple[str, int, int]]:
    """Digest, offset and size of what a file of the store says that it holds; what does not fit into it is left out."""
    with suppress(OSError), open(pack, "rb", opener=open_own) as file:
        end, at = os.fstat(file.fileno()).st_size, 0
        while len(head := os.pread(file.fileno(), HEADER.size, at)) == HEADER.size:
            digest, size = HEADER.unpack(head)
            at += HEADER.size
            if at + size > end:
                return
            yield digest.hex(), at, size
            at += size
