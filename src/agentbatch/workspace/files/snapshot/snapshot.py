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
from agentbatch.workspace.files.snapshot.contents import Contents
from agentbatch.workspace.files.snapshot.left_out import has_packages, look_at_left_out
from agentbatch.workspace.files.snapshot.signatures import (
    Settled,
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
MAX_TEXT_FILE = 64 * 1024
"""Bytes of the largest file whose text is kept."""
MAX_TEXT_TOTAL = 8 * 1024 * 1024
"""Bytes of text kept in one snapshot; what a run's snapshots have in common is in memory once."""
MAX_EXCERPT = 8 * 1024
"""Bytes kept of a text that is not kept whole: half of them are its beginning, half its end."""
MAX_EXCERPT_TOTAL = 2 * 1024 * 1024
"""Characters of such pieces kept in one snapshot."""
FIRST_SHARE = 0.75
"""Of both, for a task's first snapshot."""
MAX_HASHED = 256 * 1024 * 1024
"""Bytes of the largest file that is hashed whole; of larger ones size, times, and both ends are."""
MAX_HASHED_TOTAL = 4 * 1024 * 1024 * 1024
"""Bytes read for one snapshot; what comes after them is hashed as larger files are, but for small ones. Sparse files
cost nothing to make, and three thousand of them would take minutes."""
MACHINE_CODE = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""First bytes of programs for Linux, Windows and macOS."""

NOTHING_GIVEN: Mapping[str, FileEntry] = MappingProxyType({})

SMALL_FILES = 100
SMALL_SIZE = 1024 * 1024
"""Bytes. A directory with no more than these is read in about a millisecond."""

_BLOCK = 1024 * 1024


def take_snapshot(
    root: Path,
    previous: Snapshot | None = None,
    exclude: Collection[Path] = (),
    *,
    left_out: bool = False,
    contents: Contents | None = None,
    given: Mapping[str, FileEntry] = NOTHING_GIVEN,
    stop: Event = NEVER,
) -> Snapshot:
    """Read the directory; slow on large ones, so call it in a thread.

    Files whose stat is unchanged since `previous` are not read again. Left out: what ignored.py names, and
    the absolute paths in `exclude`. Symlinks are recorded by their target and never followed. What vanishes
    or cannot be read meanwhile does not stop it. `left_out`: look at the folders that are left out as well, from the
    outside. `contents`: what is equal in other snapshots is kept once. `given`: files of a place that nobody has worked
    in yet, whose contents are known without reading. `stop`: once it is set, the snapshot is not wanted any more, and
    what is returned soon after is worth nothing.
    """
    ignored: list[str] = []
    known = previous.files if previous else {}
    signatures = by_path(previous) if previous else {}
    found: list[tuple[str, FileEntry, Signature]] = []
    truncated, to_hash = False, MAX_HASHED_TOTAL
    settled = settled_now(root)
    # What is there at the beginning leaves room for what comes later, which is what has to be seen.
    share = FIRST_SHARE if previous is None else 1.0
    budget, pieces = int(MAX_TEXT_TOTAL * share), int(MAX_EXCERPT_TOTAL * share)
    for name, path, status in _walk(str(root), frozenset(map(str, exclude)), ignored):
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
            entry, signature = _read(path, status, settled, most, stop)
            to_hash -= min(entry.size, MAX_HASHED)
            if old is not None:
                entry = _beside(old, before, entry, signature, most)
        if entry.text is not None and entry.size > budget:
            entry = _without_text(entry)
            signature = again(signature) if previous is not None else signature  # read when there is room
        if len(entry.excerpt) > pieces:
            entry = replace(entry, excerpt="")
        if contents is not None and entry is not old:
            entry = contents.share(entry, old)
        budget -= entry.size if entry.text is not None else 0
        pieces -= len(entry.excerpt)
        found.append((name, entry, signature))
    found.sort(key=itemgetter(0))
    others, whole = look_at_left_out(root, map(Path, ignored)) if left_out else ({}, True)
    signatures_found = b"".join(SIGNATURE.pack(*signature) for _, _, signature in found)
    return Snapshot({name: entry for name, entry, _ in found}, truncated, others, whole, signatures_found)


async def snapshot(
    root: Path, previous: Snapshot | None = None, contents: Contents | None = None
) -> Snapshot:
    """`take_snapshot` of all there is, without holding up the event loop for long.

    A small directory is read at once: when a hundred tasks are at work, the way to a thread and back through the
    loop's queue takes fifty times longer than reading it.
    """
    stop = Event()
    take = partial(take_snapshot, root, previous, left_out=True, contents=contents, stop=stop)
    try:
        return take() if _is_small(root) else await asyncio.to_thread(take)
    finally:
        stop.set()


def _is_small(root: Path) -> bool:
    size = 0
    ignored: list[str] = []
    for number, (_, _, status) in enumerate(_walk(str(root), frozenset(), ignored)):
        size += status.st_size
        if number >= SMALL_FILES or size > SMALL_SIZE:
            return False
    return not has_packages(map(Path, ignored))


def _walk(
    root: str, exclude: frozenset[str], ignored: list[str]
) -> Iterator[tuple[str, str, os.stat_result]]:
    """Everything below `root` but folders themselves: the relative and the whole path, and its own stat, in a stable
    order. Folders that are left out come into `ignored`."""
    folders = [(root, "")]
    while folders:
        folder, prefix = folders.pop()
        inner = []
        for entry in _entries(folder):
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


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
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
        return _without_text(entry) if old.text is None and entry.text is not None else entry
    if entry.size > most and before[3] != now[3]:
        # Of one too large to be hashed, only the time of its change tells for certain: its mtime can be set.
        return replace(entry, sha256=hashlib.sha256(f"{old.sha256} {now[3]}".encode()).hexdigest())
    return entry


def _without_text(entry: FileEntry) -> FileEntry:
    excerpt = _excerpt_of_text(entry.text) if entry.kind == "file" and entry.text is not None else ""
    return replace(entry, text=None, excerpt=excerpt)


def hashed_whole(left: int) -> int:
    """Bytes of the largest file that is hashed whole when so many may still be read; no less than the two ends have,
    which are read in any case."""
    return min(MAX_HASHED, max(left, 2 * _BLOCK))


def _read(
    path: str, status: os.stat_result, settled: Settled, most: int, stop: Event
) -> tuple[FileEntry, Signature]:
    unknown = again(signature_of(status))
    try:
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(path)
            raw = os.fsencode(target)
            return FileEntry(hashlib.sha256(raw).hexdigest(), len(raw), _text(raw), False, "symlink"), unknown
        if not stat.S_ISREG(status.st_mode):
            return FileEntry("", 0, None, False, "special"), unknown
        return _read_file(path, settled, most, stop)
    except OSError:
        executable = bool(status.st_mode & stat.S_IXUSR)
        return FileEntry("", status.st_size, None, executable, "unreadable"), unknown


def _read_file(path: str, settled: Settled, most: int, stop: Event) -> tuple[FileEntry, Signature]:
    """`most`: bytes of a file that is hashed whole."""
    # Between the stat and here it may have become a link or a fifo: follow neither, wait for neither.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        signature = signature_of(status)
        if not stat.S_ISREG(status.st_mode):
            return FileEntry("", 0, None, False, "special"), again(signature)
        digest, size, ends = hashlib.sha256(), status.st_size, _Ends()
        if size > most:
            digest.update(f"{size} {status.st_mtime_ns}".encode())
            for offset in (0, size - _BLOCK):
                file.seek(offset)
                block = file.read(_BLOCK)
                digest.update(block)
                ends.feed(block)
        else:
            size = 0
            while not stop.is_set() and (block := file.read(_BLOCK)):
                size += len(block)
                digest.update(block)
                ends.feed(block)
    text = _text(ends.start) if size <= MAX_TEXT_FILE else None
    entry = FileEntry(
        digest.hexdigest(),
        size,
        text,
        bool(status.st_mode & stat.S_IXUSR),
        excerpt=ends.excerpt(size) if text is None else "",
        script=_is_script(ends.start, status.st_mode),
    )
    whole = size == status.st_size
    return entry, settled.keep(status, signature) if whole else again(signature)


def _is_script(start: bytes, mode: int) -> bool:
    return start.startswith(b"#!") or bool(mode & stat.S_IXUSR and not start.startswith(MACHINE_CODE))


def _text(raw: bytes) -> str | None:
    if b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


class _Ends:
    """The beginning and the end of a file that is read block by block."""

    def __init__(self) -> None:
        self.start = b""
        """Its first block."""
        self._end = b""
        self._binary = False

    def feed(self, block: bytes) -> None:
        self.start = self.start or block
        self._end = (self._end + block if len(block) < MAX_EXCERPT else block)[-MAX_EXCERPT:]
        self._binary = self._binary or b"\0" in block

    def excerpt(self, size: int) -> str:
        """Of a file of `size` bytes; empty where it is binary."""
        if self._binary:
            return ""
        if size <= MAX_EXCERPT:
            return self.start.decode("utf-8", "replace")
        half = MAX_EXCERPT // 2
        head, tail = self.start[:half], self._end[-half:]
        # Whole lines, so that no letter is cut in two; where the lines are longer than that, as it comes.
        head = head[: head.rfind(b"\n") + 1] or head
        tail = tail[tail.find(b"\n") + 1 :] or tail
        left_out = size - len(head) - len(tail)
        note = f"\n[... {left_out:,} bytes left out ...]\n"
        return head.decode("utf-8", "replace").removesuffix("\n") + note + tail.decode("utf-8", "replace")


def _excerpt_of_text(text: str) -> str:
    ends = _Ends()
    ends.feed(raw := text.encode())
    return ends.excerpt(len(raw))
