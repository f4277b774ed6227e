"""What a directory holds at one moment: every file's hash, and the text of small ones."""

import asyncio
import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from agentbatch.workspace.files.ignored import is_ignored
from agentbatch.workspace.files.left_out import has_packages, look_at_left_out
from agentbatch.workspace.workspace import FileEntry, Signature, Snapshot

MAX_FILES = 20_000
"""Files in a snapshot; a directory with more is no project, and its snapshot says so."""
MAX_TEXT_FILE = 64 * 1024
"""Bytes of the largest file whose text is kept."""
MAX_TEXT_TOTAL = 8 * 1024 * 1024
"""Bytes of text kept in one snapshot: a hundred tasks hold two each in memory."""
MAX_EXCERPT = 8 * 1024
"""Bytes kept of a text that is not kept whole: half of them are its beginning, half its end."""
MAX_EXCERPT_TOTAL = 2 * 1024 * 1024
"""Characters of such pieces kept in one snapshot."""
FIRST_SHARE = 0.75
"""Of both, for a task's first snapshot."""
MAX_HASHED = 256 * 1024 * 1024
"""Bytes of the largest file that is hashed whole; of larger ones size, times, and both ends are."""
RACY = 2_000_000_000
"""Nanoseconds. A file changed so shortly before it was read may change again without a new time stamp, so
its entry is not trusted next time (git calls such entries racy). Two seconds is what FAT counts in."""

MACHINE_CODE = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""First bytes of programs for Linux, Windows and macOS."""

SMALL_FILES = 100
SMALL_SIZE = 1024 * 1024
"""Bytes. A directory with no more than these is read in about a millisecond."""

_BLOCK = 1024 * 1024


def take_snapshot(
    root: Path, previous: Snapshot | None = None, exclude: Collection[Path] = (), *, left_out: bool = False
) -> Snapshot:
    """Read the directory; slow on large ones, so call it in a thread.

    Files whose stat is unchanged since `previous` are not read again. Left out: what ignored.py names, and
    the absolute paths in `exclude`. Symlinks are recorded by their target and never followed. What vanishes
    or cannot be read meanwhile does not stop it. `left_out`: look at the folders that are left out as well, from the
    outside.
    """
    ignored: list[Path] = []
    known = previous.files if previous else {}
    files: dict[str, FileEntry] = {}
    truncated = False
    # What is there at the beginning leaves room for what comes later, which is what has to be seen.
    share = FIRST_SHARE if previous is None else 1.0
    budget, pieces = int(MAX_TEXT_TOTAL * share), int(MAX_EXCERPT_TOTAL * share)
    for path, status in _walk(root, frozenset(exclude), ignored):
        if len(files) >= MAX_FILES:
            truncated = True
            break
        name = path.relative_to(root).as_posix()
        entry = known.get(name)
        if entry is None or entry.signature != _signature(status):
            entry = _read(path, status)
        if entry.text is not None and entry.size > budget:
            excerpt = _excerpt_of_text(entry.text) if entry.kind == "file" else ""
            entry = replace(entry, text=None, signature=None, excerpt=excerpt)
        if len(entry.excerpt) > pieces:
            entry = replace(entry, excerpt="")
        budget -= entry.size if entry.text is not None else 0
        pieces -= len(entry.excerpt)
        files[name] = entry
    others, whole = look_at_left_out(root, ignored) if left_out else ({}, True)
    return Snapshot(dict(sorted(files.items())), truncated, others, whole)


async def snapshot(root: Path, previous: Snapshot | None = None) -> Snapshot:
    """`take_snapshot` of all there is, without holding up the event loop for long.

    A small directory is read at once: when a hundred tasks are at work, the way to a thread and back through the
    loop's queue takes fifty times longer than reading it.
    """
    if _is_small(root):
        return take_snapshot(root, previous, left_out=True)
    return await asyncio.to_thread(partial(take_snapshot, root, previous, left_out=True))


def _is_small(root: Path) -> bool:
    size = 0
    ignored: list[Path] = []
    for number, (_, status) in enumerate(_walk(root, frozenset(), ignored)):
        size += status.st_size
        if number >= SMALL_FILES or size > SMALL_SIZE:
            return False
    return not has_packages(ignored)


def _walk(root: Path, exclude: frozenset[Path], ignored: list[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below `root` but folders themselves, each with its own stat, in a stable order. Folders that are left
    out come into `ignored`."""
    folders = [root]
    while folders:
        inner = []
        for entry in _entries(folders.pop()):
            path = Path(entry.path)
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
                if path in exclude:
                    continue
                if is_folder and is_ignored(path):
                    ignored.append(path)
                    continue
                if is_folder:
                    inner.append(path)
                else:
                    yield path, entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone meanwhile
        folders.extend(reversed(inner))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []  # gone meanwhile, not ours to read, or nested deeper than a path can say


def _signature(status: os.stat_result) -> Signature:
    return (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)


def _read(path: Path, status: os.stat_result) -> FileEntry:
    try:
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(path)
            raw = os.fsencode(target)
            return FileEntry(hashlib.sha256(raw).hexdigest(), len(raw), _text(raw), False, "symlink")
        if not stat.S_ISREG(status.st_mode):
            return FileEntry("", 0, None, False, "special")
        return _read_file(path)
    except OSError:
        return FileEntry("", status.st_size, None, bool(status.st_mode & stat.S_IXUSR), "unreadable")


def _read_file(path: Path) -> FileEntry:
    # Between the stat and here it may have become a link or a fifo: follow neither, wait for neither.
    now = time.time_ns()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return FileEntry("", 0, None, False, "special")
        digest, size, ends = hashlib.sha256(), status.st_size, _Ends()
        if size > MAX_HASHED:
            digest.update(f"{size} {status.st_mtime_ns}".encode())
            for offset in (0, size - _BLOCK):
                file.seek(offset)
                block = file.read(_BLOCK)
                digest.update(block)
                ends.feed(block)
        else:
            size = 0
            while block := file.read(_BLOCK):
                size += len(block)
                digest.update(block)
                ends.feed(block)
    text = _text(ends.start) if size <= MAX_TEXT_FILE else None
    fresh = now - max(status.st_mtime_ns, status.st_ctime_ns) < RACY
    return FileEntry(
        digest.hexdigest(),
        size,
        text,
        bool(status.st_mode & stat.S_IXUSR),
        signature=None if fresh or size != status.st_size else _signature(status),
        excerpt=ends.excerpt(size) if text is None else "",
        script=_is_script(ends.start, status.st_mode),
        changed=status.st_ctime_ns / 1e9,
    )


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
