"""One file of a snapshot: its hash, and its text or the ends of it."""

import hashlib
import os
import stat
from dataclasses import replace
from threading import Event

from agentbatch.workspace.files.snapshot.signatures import Settled, Signature, again, signature_of
from agentbatch.workspace.workspace import FileEntry

MAX_TEXT_FILE = 64 * 1024
"""Bytes of the largest file whose text is kept."""
MAX_EXCERPT = 8 * 1024
"""Bytes kept of a text that is not kept whole: half of them are its beginning, half its end."""
MAX_HASHED = 256 * 1024 * 1024
"""Bytes of the largest file that is hashed whole; of larger ones size, times, and both ends are."""
MACHINE_CODE = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""First bytes of programs for Linux, Windows and macOS."""

_BLOCK = 1024 * 1024


def hashed_whole(left: int) -> int:
    """Bytes of the largest file that is hashed whole when so many may still be read; no less than the two ends have,
    which are read in any case."""
    return min(MAX_HASHED, max(left, 2 * _BLOCK))


def read_entry(
    path: str, status: os.stat_result, settled: Settled, most: int, stop: Event
) -> tuple[FileEntry, Signature]:
    """What lies at `path`, never followed and never waited for, and its signature. `most`: bytes of a file that is
    hashed whole; `stop`: once it is set, what is returned is worth nothing."""
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


def without_text(entry: FileEntry) -> FileEntry:
    """What is left of it where a snapshot has no room for its text."""
    excerpt = _excerpt_of_text(entry.text) if entry.kind == "file" and entry.text is not None else ""
    return replace(entry, text=None, excerpt=excerpt)


def _excerpt_of_text(text: str) -> str:
    ends = _Ends()
    ends.feed(raw := text.encode())
    return ends.excerpt(len(raw))
