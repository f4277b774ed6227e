"""A directory of this machine as one end of a transfer."""

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import TypeVar

from agentbatch.cluster.travel.manifest import UNSENT, Manifest, check_whole, checked
from agentbatch.cluster.travel.pack import HEADER
from agentbatch.cluster.travel.placing import Placing
from agentbatch.cluster.travel.plan import plan
from agentbatch.cluster.travel.scanning import Scanned, scan
from agentbatch.cluster.travel.side import PART
from agentbatch.cluster.travel.store import Store
from agentbatch.workspace.disk_work import DiskWork
from agentbatch.workspace.files.paths import open_parent

T = TypeVar("T")

STORE = 8 * 1024 * 1024 * 1024
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
        most: int = STORE,
        disk: DiskWork | None = None,
    ) -> None:
        """`root` exists, every link followed. `store`: a folder of ours for contents, which other sides may share;
        `most`: bytes of it that outlive a transfer. `keep_out`: env files and what else is never sent, never
        overwritten, never removed; `guarded`: what is sent, and not changed here. Absolute, with all that is below."""
        self._root = root
        self._store = Store(store, most)
        self._most = most
        self._kept = _inside(root, keep_out)
        self._guarded = _inside(root, guarded)
        self._disk = disk or DiskWork()
        self._here = Scanned()
        self._paths: dict[str, str] = {}
        """A file that has the content, by its digest."""

    async def scan(self) -> Manifest:
        stop = Event()
        self._here = await self._disk.run(partial(scan, self._root, self._here, self._kept, stop), stop)
        self._paths = {
            entry.digest: path for path, entry in self._here.manifest.items() if entry.kind == "file"
        }
        self._paths.pop(UNSENT, None)
        return self._here.manifest

    async def missing(self, digests: Sequence[str]) -> list[str]:
        return await self._disk.run(partial(self._missing, digests))

    def _missing(self, digests: Sequence[str]) -> list[str]:
        there = self._store.find(digests)
        lacking = [
            digest for digest in dict.fromkeys(digests) if digest not in there and digest not in self._paths
        ]
        self._store.begin(lacking)
        return lacking

    async def give(self, digests: Sequence[str], at: int) -> bytes:
        return await self._disk.run(partial(self._give, digests, at))

    def _give(self, digests: Sequence[str], at: int) -> bytes:
        part, start = bytearray(), 0
        for digest in digests:
            path = self._paths.get(digest)
            if path is None:
                raise FileNotFoundError(2, "No file has that content any more", digest)
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
        """Shorter than `size` where the file has changed."""
        with open_parent(self._root, path) as (folder, name):
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with open(handle, "rb", buffering=0) as file:
            file.seek(offset)
            return file.read(size) or b""

    async def take(self, pack: bytes) -> None:
        await self._disk.run(partial(self._store.take, pack))

    async def place(self, manifest: Manifest, since: Manifest | None = None) -> list[str]:
        stop = Event()
        return await self._disk.run(partial(self._place, manifest, since, stop), stop)

    def _place(self, manifest: Manifest, since: Manifest | None, stop: Event) -> list[str]:
        check_whole(manifest)
        want, problems = checked(manifest)
        self._store.finish()
        steps = plan(self._here.manifest, want, since, kept=self._kept, guarded=self._guarded)
        self._keep(
            {want[path].digest for path in steps.write if want[path].kind == "file"},
        )
        placing = Placing(self._root, want, self._store.read, stop)
        placing.carry_out(steps)
        if not self._most:
            self._store.clear()
        return bounded([*problems, *steps.problems, *placing.problems])

    def _keep(self, digests: set[str]) -> None:
        """What only files of the directory hold, before any of them is touched."""
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
