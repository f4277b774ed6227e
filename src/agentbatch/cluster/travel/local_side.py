"""A directory of this machine as one end of a transfer."""

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from threading import Event

from agentbatch.cluster.travel.manifest import UNSENT, Manifest, check_whole, checked, shown
from agentbatch.cluster.travel.pack import HEADER
from agentbatch.cluster.travel.placing import Placing
from agentbatch.cluster.travel.plan import around, plan, with_half
from agentbatch.cluster.travel.records import differing
from agentbatch.cluster.travel.scanning import Scanned, look, scan
from agentbatch.cluster.travel.side import PART
from agentbatch.cluster.travel.store import Store
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.paths import open_parent
from agentbatch.workspace.files.replace import unfinished_name

MAX_STORE = 8 * 1024 * 1024 * 1024
"""Bytes of contents that a node keeps for the tasks to come."""
MAX_SENTENCES = 20


class LocalSide:
    """See `Side` for the protocol."""

    def __init__(
        self,
        root: Path,
        store: Path,
        keep_out: Sequence[Path] = (),
        *,
        guarded: Sequence[Path] = (),
        max_bytes: int = MAX_STORE,
    ) -> None:
        """`root` exists, every link followed. `store`: a folder of ours for contents, which other sides may share;
        `max_bytes`: of it that outlive a transfer; 0: nothing of what came here does. `keep_out`: env files and what
        else is never sent, never overwritten, never removed; `guarded`: what is sent, and not changed here. Absolute,
        with all that is below."""
        self._root = root
        self._store = Store(store, max_bytes)
        self._max_bytes = max_bytes
        self._kept = _inside(root, keep_out)
        self._guarded = _inside(root, guarded)
        self._disk = DiskWork()
        self._here = Scanned()
        self._is_fresh = False
        """`_here` is of this transfer."""
        self._known: dict[str, str] = {}
        self._half: list[Manifest] = []
        """What was being brought here when that was interrupted, since it was last done whole."""

    @cached_property
    def _folds(self) -> bool:
        """Whether the disk takes names for the same that differ in case alone."""
        name = unfinished_name()
        with suppress(OSError):
            os.close(os.open(self._root / name, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            same = os.path.lexists(self._root / name.upper())
            os.unlink(self._root / name)
            return same
        return False

    async def scan(self) -> Manifest:
        stop = Event()
        self._here = await self._disk.run(partial(scan, self._root, self._here, self._kept, stop), stop)
        self._known, self._is_fresh = {}, True
        return self._here.manifest

    def _paths(self) -> dict[str, str]:
        """A file that has the content, by its digest."""
        if not self._known:
            files = ((path, entry) for path, entry in self._here.manifest.items() if entry.kind == "file")
            self._known = {entry.digest: path for path, entry in files if entry.digest != UNSENT}
        return self._known

    async def missing(self, digests: Sequence[str]) -> list[str]:
        return await self._disk.run(partial(self._missing, digests))

    def _missing(self, digests: Sequence[str]) -> list[str]:
        there, paths = self._store.find(digests), self._paths()
        lacking = [d for d in dict.fromkeys(digests) if d not in there and d not in paths]
        self._store.begin(lacking)
        return lacking

    async def give(self, digests: Sequence[str], at: int) -> bytes:
        return await self._disk.run(partial(self._give, digests, at))

    def _give(self, digests: Sequence[str], at: int) -> bytes:
        part, start, paths = bytearray(), 0, self._paths()
        for digest in digests:
            path = paths.get(digest)
            if path is None:
                raise OSError(errno.ESTALE, "No file has that content any more", digest)
            size = self._here.manifest[path].size
            end = start + HEADER.size + size
            if end > at:
                if at < start + HEADER.size:
                    head = HEADER.pack(bytes.fromhex(digest), size)
                    part += head[at - start :][: PART - len(part)]
                    at = start + HEADER.size if len(part) < PART else at
                if len(part) < PART:
                    offset = at - start - HEADER.size
                    part += self._piece(path, offset, min(size - offset, PART - len(part)))
                    at = end
                if len(part) >= PART:
                    break
            start = end
        return bytes(part)

    def _piece(self, path: str, offset: int, size: int) -> bytes:
        """Shorter than `size` where the file has changed. Raises OSError."""
        try:
            with open_parent(self._root, path) as (folder, name):
                handle = os.open(
                    name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
                )
            with open(handle, "rb", buffering=0) as file:
                return os.pread(file.fileno(), size, offset)
        except OSError as error:
            raise OSError(
                errno.ESTALE, f"{shown(path)} changed while it was sent: {error.strerror}"
            ) from error

    async def take(self, pack: bytes) -> None:
        await self._disk.run(partial(self._store.take, pack))

    async def place(self, manifest: Manifest, since: Manifest | None = None) -> list[str]:
        if since is None and not self._is_fresh:
            await self.scan()
        self._is_fresh, stop = False, Event()
        self._half.append(manifest)
        problems = await self._disk.run(partial(self._place, manifest, since, stop), stop)
        self._half, self._known = [], {}
        return problems

    def _place(self, manifest: Manifest, since: Manifest | None, stop: Event) -> list[str]:
        check_whole(manifest)
        here, some = self._here.manifest, manifest
        if since is not None:
            touched = around(path for other in (manifest, *self._half) for path in differing(since, other))
            here = look(self._root, touched, self._kept, stop)
            some = {path: manifest[path] for path in touched if path in manifest}
            since = with_half({path: since[path] for path in touched if path in since}, self._half, here)
        want, problems = checked(manifest if self._folds else some, folds=self._folds)
        want = want if some is manifest else {path: want[path] for path in some if path in want}
        steps = plan(here, want, since, kept=self._kept, guarded=self._guarded)
        self._keep({want[path].digest for path in steps.write if want[path].kind == "file"})
        placing = Placing(self._root, want, self._store.read, stop)
        try:
            placing.carry_out(steps)
        finally:
            if placing.spoilt:
                self._store.drop(placing.spoilt)
        if not self._max_bytes:
            self._store.clear()
        return bounded([*problems, *steps.problems, *placing.problems.values()])

    def _keep(self, digests: set[str]) -> None:
        """What only files of the directory hold, before any of them is touched."""
        self._store.finish()
        lacking = sorted(digests - self._store.find(digests))
        self._store.begin(lacking)
        for digest in lacking:
            at = 0
            while part := self._give([digest], at):
                self._store.take(part)
                at += len(part)
        self._store.finish()


def bounded(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - MAX_SENTENCES
    return [*sentences[:MAX_SENTENCES], *([f"And {more:,} more like these."] if more > 0 else [])]


def _inside(root: Path, places: Iterable[Path]) -> frozenset[str]:
    return frozenset(
        place.relative_to(root).as_posix() for place in places if place != root and place.is_relative_to(root)
    )
