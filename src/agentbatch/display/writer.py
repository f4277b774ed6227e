"""A text stream that the run outlives: neither a strange character nor a reader that went away stops it."""

import os
import re
import shutil
import stat
from typing import TextIO

from agentbatch.patterns import regex

_REPLACEMENTS = str.maketrans("–…≈≥·✓✗●○◆‖█▏▎▍▌▋▊▉", "-.~>.+x*o?=#|||||||")
"""For encodings without our own signs: one plain character each, so that tables keep their columns."""


_LOGS_OF_CI = ("GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION")
"""Variables by which those say that they read the log, and obey what stands in it as a command."""
_COMMAND = regex(
    r"#(?=#\w*\[)"  # ##vso[task.setvariable …], ##teamcity[…], ##[add-mask], wherever they stand
    r"|(?:^|(?<=[\r\n]))[^\S\r\n]*:(?=:(?:error|warning|notice|debug|echo|group|endgroup|add-mask|add-matcher|"
    r"remove-matcher|add-path|set-env|set-output|save-state|stop-commands)\b)",
    re.IGNORECASE,
)


def without_commands(text: str) -> str:
    """With a space in what the log of a CI would take for a command: a model's words set no variables there."""
    return _COMMAND.sub(r"\g<0> ", text) if "##" in text or "::" in text else text


class Writer:
    """Writes to `out`. What its encoding lacks becomes `?`; after a failed write it is silent.

    A run continues for hours behind `agentbatch | head`: its results are in the store, not in this stream.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.encoding = getattr(out, "encoding", None) or "utf-8"
        self.broken = False
        self._logged = any(map(os.environ.get, _LOGS_OF_CI)) and not _is_file(out)

    def write(self, text: str) -> int:
        if not self.broken:
            try:
                self._out.write(self._encodable(without_commands(text) if self._logged else text))
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


def _is_file(out: TextIO) -> bool:
    """What is read there is read by nobody's log."""
    try:
        return stat.S_ISREG(os.fstat(out.fileno()).st_mode)
    except (OSError, ValueError):
        return False
