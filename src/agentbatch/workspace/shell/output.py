"""The output of a command: what is kept of it, at flat memory."""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO

from agentbatch.patterns import regex
from agentbatch.redaction import Redactor

SHOWN = 30_000
"""Characters of output that a reader gets. Longer output is cut in its middle and kept whole in a file."""
SPLIT = SHOWN // 2
"""Characters kept of each end of longer output."""
FLOOD = 50 * 1024 * 1024
"""Bytes after which a command is held to be running away (`yes`, a dump of a device) and is killed."""

_WIDEST = 4
"""Bytes of the longest UTF-8 character."""
_END_BYTES = _WIDEST * (SPLIT + 1)

_CONTROLS = bytes(code for code in (*range(0x20), 0x7F) if code not in b"\t\n\r")
_CONTINUATIONS = bytes(range(0x80, 0xC0))
_ESCAPES = regex(
    rb"\x1b(?:"
    rb"\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    rb"|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC and other strings: titles, links
    rb"|[ -/]*[0-Z\\^-~]"  # two-character ones
    rb")?"
)
_C1_CONTROLS = regex(rb"\xc2[\x80-\x9f]")
_UNFINISHED = regex(rb"(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?|\xc2|\r)\Z")
_MAX_ESCAPE = 4096
"""Bytes that an unfinished escape sequence may hold back before it counts as rubbish."""


def cleaned(data: bytes) -> bytes:
    """A whole text without terminal control sequences and control characters, every kind of line end a newline."""
    data = _C1_CONTROLS.sub(b"", _ESCAPES.sub(b"", data)).translate(None, _CONTROLS)
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


class Collector:
    """Takes a command's output piece by piece; keeps head and tail, and the whole in a file when it is long.

    Terminal control sequences and control characters go; every kind of line end becomes a newline. The
    file is made in `folder` (also the folder) only when it is needed, and holds the cleaned output.
    """

    def __init__(self, folder: Path, redact: Redactor | None = None) -> None:
        self._folder = folder
        self._redact = redact or Redactor(())
        self._overlap = max(0, self._redact.longest - 1)
        self._unmasked = b""
        """The last bytes taken, which may be the beginning of a key."""
        self._held = b""
        self._head = bytearray()
        """All of the output while it is short, later its beginning."""
        self._tail = b""
        self._file: BinaryIO | None = None
        self._split = False
        self._problem = ""
        self.received = 0
        """Bytes, as they came."""
        self.characters = 0
        """Characters after cleaning; stray bytes that are no UTF-8 may be missing from the count."""
        self.spilled: Path | None = None

    @property
    def flooded(self) -> bool:
        return self.received > FLOOD

    def writes_next(self, size: int) -> bool:
        """Whether feeding `size` bytes more may touch the disk."""
        return self._split or len(self._head) + size > SHOWN

    def feed(self, data: bytes) -> None:
        self.received += len(data)
        self._take(self._masked(self._clean(data)))

    def finish(self) -> str:
        """Close the file and give the text: at most SHOWN characters."""
        rest, self._held = cleaned(self._held), b""
        self._take(self._redact.mask_bytes(self._unmasked + rest))
        if not self._split and len(self._head.decode(errors="replace")) > SHOWN:
            self._spill()  # few characters by their count, many once stray bytes are shown
        if self._file is not None:
            self._file.close()
            self._file = None
        if not self._split:
            return self._head.decode(errors="replace")
        return self._cut()

    def _clean(self, data: bytes) -> bytes:
        data = self._held + data
        unfinished = _UNFINISHED.search(data, max(0, len(data) - _MAX_ESCAPE))
        cut = unfinished.start() if unfinished else len(data)
        self._held = data[cut:]
        return cleaned(data[:cut])

    def _masked(self, data: bytes) -> bytes:
        """Keys go before anything is cut or kept, also one that comes in two pieces."""
        if not self._overlap:
            return data
        data = self._redact.mask_bytes(self._unmasked + data)
        self._unmasked = data[-self._overlap :]
        return data[: -self._overlap]

    def _take(self, data: bytes) -> None:
        self.characters += len(data.translate(None, _CONTINUATIONS))
        if self._split:
            self._tail = (self._tail + data)[-_END_BYTES:]
            self._write(data)
            return
        self._head += data
        if self.characters > SHOWN or len(self._head) > _WIDEST * SHOWN:
            self._spill()

    def _spill(self) -> None:
        self._split = True
        whole = bytes(self._head)
        self._head, self._tail = bytearray(whole[:_END_BYTES]), whole[-_END_BYTES:]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix="output-", suffix=".txt", dir=self._folder)
            self._file, self.spilled = os.fdopen(handle, "wb"), Path(name)
        except OSError as error:
            self._problem = error.strerror or str(error)
        self._write(whole)

    def _write(self, data: bytes) -> None:
        if self._file is None:
            return
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            self._problem = error.strerror or str(error)
            self._abandon()

    def _abandon(self) -> None:
        """Give up a file that cannot be written: half of it under the name of the whole would mislead."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError:
            pass  # its buffer cannot be written either; the problem is recorded
        if self.spilled is not None:
            self.spilled.unlink(missing_ok=True)
            self.spilled = None

    def _cut(self) -> str:
        head = self._head.decode(errors="replace")[:SPLIT]
        left_out = max(1, self.characters - SHOWN)
        where = (
            f"the whole output is in {self.spilled}"
            if self.spilled
            else f"the whole could not be kept: {self._problem}"
        )
        marker = f"\n[... about {left_out:,} characters left out here; {where} ...]\n"
        tail = self._tail.decode(errors="replace")[-(SHOWN - len(head) - len(marker)) :]
        return head + marker + tail
