"""Snapshots between a node and home: only what differs from one that both have is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

from agentbatch.workspace.workspace import SIGNATURE, FileEntry, Snapshot, Workspace

KEPT = 3
"""Snapshots of one directory by which a later one may be described."""

NOTHING = Snapshot({})


@dataclass(frozen=True)
class Difference:
    """A snapshot, by an earlier one."""

    number: int
    """By which it is meant later."""
    basis: Literal["number", "digest", "nothing"]
    """What the earlier one is: what was named by its number, what has the digest, or an empty one."""
    changed: Mapping[str, FileEntry]
    gone: Sequence[str]
    rest: Snapshot
    """Without files; without `left_out` where that is the same."""
    left_out: bool
    """It is another."""


def difference(
    number: int, basis: Literal["number", "digest", "nothing"], now: Snapshot, before: Snapshot
) -> Difference:
    changed = {path: one for path, one in now.files.items() if not _same(one, before.files.get(path))}
    gone = [path for path in before.files if path not in now.files]
    other = dict(now.left_out) != dict(before.left_out) or basis == "digest"
    rest = replace(now, files={}, left_out=dict(now.left_out) if other else {})
    return Difference(number, basis, changed, gone, rest, other)


def with_difference(told: Difference, before: Snapshot) -> Snapshot:
    """The snapshot that was meant. Pure."""
    gone = frozenset(told.gone)
    files = {path: one for path, one in before.files.items() if path not in gone} | dict(told.changed)
    left_out = told.rest.left_out if told.left_out else before.left_out
    return replace(told.rest, files=dict(sorted(files.items())), left_out=left_out)


def _same(one: FileEntry, other: FileEntry | None) -> bool:
    return one is other or (
        one == other and other is not None and (one.excerpt, one.script) == (other.excerpt, other.script)
    )


class NodeSnapshots:
    """On the node: a directory's latest snapshots."""

    def __init__(self) -> None:
        self._kept: dict[int, Snapshot] = {}
        self._numbers = count(1)

    async def look(self, workspace: Workspace, known: int, digest: str) -> Difference:
        """`known`: number of a snapshot that home has; `digest`: of one that it has from elsewhere."""
        before = self._kept.get(known)
        latest = before or next(reversed(self._kept.values()), None)
        now = await workspace.snapshot(latest)
        number = next(self._numbers)
        self._kept[number] = now
        for old in list(self._kept)[:-KEPT]:
            del self._kept[old]
        if before is not None:
            return difference(number, "number", now, before)
        if now.digest == digest:
            return difference(number, "digest", now, now)
        return difference(number, "nothing", now, NOTHING)


class HomeSnapshots:
    """At home: the snapshots that a node can describe the next one by."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, Snapshot, Snapshot]] = []
        """Each by its number, as it was handed on, and as the node has it."""

    def find(self, since: Snapshot | None) -> tuple[int, Snapshot | None]:
        """0, None: the node has not seen it."""
        found = ((number, there) for number, here, there in self._kept if here is since)
        return next(found, (0, None))

    def read(self, told: Difference, by: Snapshot, home: Snapshot | None) -> Snapshot:
        """`by`: what was asked by. `home`: the directory at home, after what is on the node was brought there; None:
        it is the same, or there is none."""
        there = with_difference(told, NOTHING if told.basis == "nothing" else by)
        here = there if home is None else as_kept(home, there)
        self._kept = [*self._kept, (told.number, here, there)][-KEPT:]
        return here

    def forget(self) -> None:
        """The node is another."""
        self._kept.clear()


def without(snapshot: Snapshot, kept: Mapping[str, FileEntry]) -> Snapshot:
    """Pure. Its signatures are worth nothing, and are not there."""
    if not kept:
        return snapshot
    files = {path: one for path, one in snapshot.files.items() if path not in kept}
    return replace(snapshot, files=files, signatures=b"")


def as_kept(home: Snapshot, there: Snapshot) -> Snapshot:
    """What is judged is what is kept, and so what is at home, whatever the node says of its own. Of the node is only
    when a file changed that is the same there. Pure."""
    times = dict(zip(there.files, SIGNATURE.iter_unpack(there.signatures), strict=False))
    same = (
        times[path][3] if path in times and there.files[path] == one else 0
        for path, one in home.files.items()
    )
    # Nothing else of a signature: by these a file at home would count as unchanged.
    packed = b"".join(SIGNATURE.pack(0, 0, 0, changed) for changed in same)
    return replace(home, signatures=packed if times else b"")
