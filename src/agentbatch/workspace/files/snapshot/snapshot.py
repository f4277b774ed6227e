"""What a directory holds at one moment: every file's hash, and the text of small ones."""

import asyncio
import hashlib
import os
import stat
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from operator import attrgetter, itemgetter
from pathlib import Path
from threading import Event
from types import MappingProxyType

from agentbatch.workspace.files.ignored import is_ignored_name
from agentbatch.workspace.files.removal import entries_of
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.files.snapshot.left_out import has_packages, look_at_left_out
from agentbatch.workspace.files.snapshot.reading import MAX_HASHED, hashed_whole, read_entry, without_text
from agentbatch.workspace.files.snapshot.signatures import (
    Signature,
    again,
    by_path,
    settled_now,
    signature_of,
)
from agentbatch.workspace.workspace import SIGNATURE, FileEntry, Snapshot

NEVER = Event()
"""Is not set."""
MAX_FILES = 50_000
"""Files in a snapshot; a directory with more is no project, and its snapshot says so."""
MAX_TEXT_TOTAL = 8 * 1024 * 1024
"""Bytes of text kept in one snapshot; what a run's snapshots have in common is in memory once."""
MAX_EXCERPT_TOTAL = 2 * 1024 * 1024
"""Characters of such pieces kept in one snapshot."""
FIRST_SHARE = 0.75
"""Of both, for a task's first snapshot."""
MAX_HASHED_TOTAL = 4 * 1024 * 1024 * 1024
"""Bytes read for one snapshot; what comes after them is hashed as larger files are, but for small ones. Sparse files
cost nothing to make, and three thousand of them would take minutes."""

NOTHING_GIVEN: Mapping[str, FileEntry] = MappingProxyType({})

SMALL_FILES = 100
SMALL_SIZE = 1024 * 1024
"""Bytes. A directory with no more than these is read in about a millisecond."""


def take_snapshot(
    root: Path,
    previous: Snapshot | None = None,
    exclude: Collection[Path] = (),
    *,
    left_out: bool = False,
    opening: bool = False,
    first: bool = False,
    contents: Contents | None = None,
    given: Mapping[str, FileEntry] = NOTHING_GIVEN,
    stop: Event = NEVER,
) -> Snapshot:
    """Read the directory; slow on large ones, so call it in a thread.

    Files whose stat is unchanged since `previous` are not read again. Left out: what ignored.py names, and the
    absolute paths in `exclude`. Symlinks are recorded by their target and never followed. What vanishes or cannot
    be read meanwhile does not stop it. `left_out`: look at the folders that are left out as well, from the outside.
    `opening`: what the task has closed to its owner is opened, which nobody who only watches may do.
    `first`: it is a task's first, though there is a previous one, of before its setup. `contents`: what is equal in
    other snapshots is kept once. `given`: files of a place that nobody has worked in yet, whose contents are known
    without reading. `stop`: once it is set, the snapshot is not wanted any more, and what is returned soon after is
    worth nothing.
    """
    ignored: list[str] = []
    known = previous.files if previous else {}
    signatures = by_path(previous) if previous else {}
    found: list[tuple[str, FileEntry, Signature]] = []
    truncated, to_hash = False, MAX_HASHED_TOTAL
    settled = settled_now(root)
    # What is there at the beginning leaves room for what comes later, which is what has to be seen.
    share = FIRST_SHARE if first or previous is None else 1.0
    budget, pieces = int(MAX_TEXT_TOTAL * share), int(MAX_EXCERPT_TOTAL * share)
    for name, path, status in _walk(str(root), frozenset(map(str, exclude)), ignored, opening):
        if len(found) >= MAX_FILES or stop.is_set():
            truncated = True
            break
        old, signature, before = known.get(name), signature_of(status), signatures.get(name)
        if old is not None and before == signature:
            entry = old
        elif name in given and _fits(given[name], status):
            entry, signature = given[name], settled.keep(status, signature)
        else:
            most = hashed_whole(to_hash)
            entry, signature = read_entry(path, status, settled, most, stop)
            to_hash -= min(entry.size, MAX_HASHED)
            if old is not None:
                entry = _beside(old, before, entry, signature, most)
        if entry.text is not None and entry.size > budget:
            entry = without_text(entry)
            signature = again(signature) if previous is not None else signature  # read when there is room
        if len(entry.excerpt) > pieces:
            entry = replace(entry, excerpt="")
        if contents is not None and entry is not old and entry is not given.get(name):
            entry = contents.share(entry, old)
        budget -= entry.size if entry.text is not None else 0
        pieces -= len(entry.excerpt)
        found.append((name, entry, signature))
    found.sort(key=itemgetter(0))
    others, whole = look_at_left_out(root, map(Path, ignored)) if left_out else ({}, True)
    signatures_found = b"".join(SIGNATURE.pack(*signature) for _, _, signature in found)
    return Snapshot({name: entry for name, entry, _ in found}, truncated, others, whole, signatures_found)


async def snapshot(
    root: Path, previous: Snapshot | None = None, contents: Contents | None = None, *, first: bool = False
) -> Snapshot:
    """`take_snapshot` of all there is, without holding up the event loop for long.

    A small directory is read at once: when a hundred tasks are at work, the way to a thread and back through the
    loop's queue takes fifty times longer than reading it.
    """
    stop = Event()
    whole = partial(take_snapshot, root, previous, left_out=True, opening=True)
    take = partial(whole, first=first, contents=contents, stop=stop)
    try:
        return take() if is_small(root) else await asyncio.to_thread(take)
    finally:
        stop.set()


def is_small(root: Path, *, whole: bool = False) -> bool:
    """Whether all that a snapshot reads of it is soon read. `whole`: and a snapshot leaves nothing out."""
    size = 0
    ignored: list[str] = []
    for number, (_, _, status) in enumerate(_walk(str(root), frozenset(), ignored, True)):
        size += status.st_size
        if number >= SMALL_FILES or size > SMALL_SIZE:
            return False
    return not ignored if whole else not has_packages(map(Path, ignored))


def _walk(
    root: str, exclude: frozenset[str], ignored: list[str], opening: bool = False
) -> Iterator[tuple[str, str, os.stat_result]]:
    """Everything below `root` but folders themselves: the relative and the whole path, and its own stat, in a stable
    order. Folders that are left out come into `ignored`."""
    folders = [(root, "")]
    while folders:
        folder, prefix = folders.pop()
        inner = []
        for entry in _entries(folder, opening):
            path = entry.path
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
                if path in exclude:
                    continue
                if is_folder and is_ignored_name(folder, entry.name):
                    ignored.append(path)
                    continue
                if is_folder:
                    inner.append((path, f"{prefix}{entry.name}/"))
                else:
                    yield sys.intern(f"{prefix}{entry.name}"), path, entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone meanwhile
        folders.extend(reversed(inner))


def _entries(folder: str, opening: bool) -> list[os.DirEntry[str]]:
    try:
        if opening:
            return entries_of(folder)
        with os.scandir(folder) as entries:
            return sorted(entries, key=attrgetter("name"))
    except OSError:
        return []  # gone meanwhile, not ours to read, or nested deeper than a path can say


def _fits(entry: FileEntry, status: os.stat_result) -> bool:
    return (
        entry.kind == "file"
        and stat.S_ISREG(status.st_mode)
        and entry.size == status.st_size
        and entry.executable == bool(status.st_mode & stat.S_IXUSR)
    )


def _beside(
    old: FileEntry, before: Signature | None, entry: FileEntry, now: Signature, most: int
) -> FileEntry:
    """A file that was read, beside what it was. `most`: up to this size it was hashed whole."""
    if entry.sha256 != old.sha256:
        return entry
    if before is None:  # of an earlier session, which had no room for its text
        return without_text(entry) if old.text is None and entry.text is not None else entry
    if entry.size > most and before[3] != now[3]:
        # Of one too large to be hashed, only the time of its change tells for certain: its mtime can be set.
        return replace(entry, sha256=hashlib.sha256(f"{old.sha256} {now[3]}".encode()).hexdigest())
    return entry
