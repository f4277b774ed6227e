"""A text stream that the run outlives: neither a strange character nor a reader that went away stops it."""

import os
import shutil
from typing import TextIO

_REPLACEMENTS = str.maketrans("–…≈≥·✓✗●○◆‖█▏▎▍▌▋▊▉", "-.~>.+x*o?=#|||||||")
"""For encodings without our own signs: one plain character each, so that tables keep their columns."""


class Writer:
    """Writes to `out`. What its encoding lacks becomes `?`; after a failed write it is silent.

    A run continues for hours behind `agentbatch | head`: its results are in the store, not in this stream.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.encoding = getattr(out, "encoding", None) or "utf-8"
        self.broken = False

    def write(self, text: str) -> int:
        if not self.broken:
            try:
                self._out.write(self._encodable(text))
            except (OSError, ValueError):  # ValueError: the stream was closed
                self.broken = True
        return len(text)

    def _encodable(self, text: str) -> str:
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return text.translate(_REPLACEMENTS).encode(self.encoding, "replace").decode(self.encoding)
        return text

    def flush(self) -> None:
        if not self.broken:
            try:
                self._out.flush()
            except (OSError, ValueError):
                self.broken = True

    def line(self, text: str) -> None:
        """One line, out at once."""
        self.write(text + "\n")
        self.flush()

    def isatty(self) -> bool:
        return not self._out.closed and self._out.isatty()

    @property
    def columns(self) -> int:
        """Of the terminal; 80 where there is none."""
        return self.size()[0] if self.isatty() else 80

    def size(self) -> tuple[int, int]:
        """Columns and lines of the terminal behind the stream; 80 x 24 where there is none."""
        try:
            columns, lines = os.get_terminal_size(self._out.fileno())
        except (OSError, ValueError):
            columns, lines = 0, 0
        if columns <= 0 or lines <= 0:
            columns, lines = shutil.get_terminal_size()
        return columns, lines
