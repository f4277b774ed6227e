"""A directory at either end of a wire, and the way from one to the other: only content goes that is missing there."""

import errno
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agentbatch.cluster.travel.manifest import UNSENT, Manifest, check_whole
from agentbatch.cluster.travel.pack import HEADER
from agentbatch.text import clip

PART = 4 * 1024 * 1024
"""Bytes of a pack that go at once, at most."""
TRIES = 3
"""For files that change while they are sent."""
MAX_PROBLEMS = 21
"""Problems of one transfer that are told."""


class Side(Protocol):
    """One end. All that passes is bytes and plain data, so that it may be at the other end of a wire. Members are
    called one after another. They raise UserError and OSError (ENOSPC and EDQUOT: the disk there is full; ESTALE: a
    content is not what it was any more, and the transfer has to be begun again)."""

    async def scan(self) -> Manifest:
        """What the directory holds now; files that have not changed since the last time are not read again."""
        ...

    async def missing(self, digests: Sequence[str]) -> list[str]:
        """Which of these contents this end has neither in its directory nor in its store. They may be taken from now
        on, and nothing else; what an interrupted transfer had not finished is forgotten."""
        ...

    async def give(self, digests: Sequence[str], at: int) -> bytes:
        """The next `PART` of the pack of these contents, in their order, from the offset `at`; b"" at its end."""
        ...

    async def take(self, pack: bytes) -> None:
        """A part of a pack, in order. Contents are checked against their digests."""
        ...

    async def place(self, manifest: Manifest, since: Manifest | None = None) -> list[str]:
        """Bring the directory to what `manifest` says; returns what could not be, a sentence each. `since`: what both
        ends had in common last: then only what `manifest` has otherwise is touched here, and what has changed here
        alone stays. None: what is not in `manifest` goes."""
        ...


@dataclass(frozen=True)
class Moved:
    """What a transfer was."""

    files: int
    """Contents that went."""
    bytes: int
    problems: tuple[str, ...] = ()
    """What could not be brought, a sentence each."""
    manifest: Manifest = field(default_factory=dict, repr=False)
    """What both ends have in common now: `since` of the next transfer, in whichever direction."""


async def bring(origin: Side, target: Side, since: Manifest | None = None) -> Moved:
    """Bring the directory of `target` to what that of `origin` holds now. Interrupted anywhere, it is begun again: what
    has arrived is not sent twice, and nothing in the directory is half. Raises OSError, UserError."""
    for last in (*[False] * (TRIES - 1), True):
        try:
            return await _bring(origin, target, since)
        except OSError as error:
            if last or error.errno != errno.ESTALE:
                raise
            await target.scan()
    raise AssertionError("unreachable")


async def _bring(origin: Side, target: Side, since: Manifest | None) -> Moved:
    manifest = await origin.scan()
    if since is not None and manifest == since:
        return Moved(0, 0, (), since)
    check_whole(manifest)
    sizes = wanted(manifest, await target.scan() if since is None else since)
    missing = set(await target.missing(list(sizes)))
    contents = [digest for digest in sizes if digest in missing]
    sent = 0
    for batch in batches(contents, sizes):
        sent += await _send(origin, target, batch, sum(HEADER.size + sizes[digest] for digest in batch))
    problems = await target.place(manifest, since)
    return Moved(
        len(contents), sent, tuple(clip(problem, 500) for problem in problems[:MAX_PROBLEMS]), manifest
    )


async def _send(origin: Side, target: Side, digests: Sequence[str], size: int) -> int:
    """One pack, of exactly that size."""
    at = 0
    while at < size:
        part = await origin.give(digests, at)
        if not 0 < len(part) <= min(PART, size - at):
            raise OSError(errno.ESTALE, "A file changed while it was sent, or is not what it was said to be")
        await target.take(part)
        at += len(part)
    return size


def wanted(manifest: Manifest, there: Manifest) -> dict[str, int]:
    """Sizes of the contents, by digest, that some file of `manifest` has and the same file `there` has not."""
    return {
        entry.digest: entry.size
        for path, entry in manifest.items()
        if entry.kind == "file"
        and (old := there.get(path)) is not entry
        and old != entry
        and entry.digest != UNSENT
    }


def batches(digests: Sequence[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Packs of about one PART each, so that what is asked for is not named again with every part."""
    batch: list[str] = []
    room = PART
    for digest in digests:
        size = HEADER.size + sizes[digest]
        if batch and size > room:
            yield batch
            batch, room = [], PART
        batch.append(digest)
        room -= size
    if batch:
        yield batch
