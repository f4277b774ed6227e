"""A batch's output: a line a result, each whole."""

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from agentbatch.errors import UserError, cannot_be
from agentbatch.files import resolved, write_atomic


class OutputFile:
    """Lines are appended as they come, and are on their way to the disk when `add` returns.

    The journal has them already: what a crash leaves here, also half a line, is written again when the batch resumes.
    """

    def __init__(self, path: Path, lines: Iterable[str] = ()) -> None:
        """Replaces the file by `lines`, in one step. Raises UserError when it cannot be written, or when another
        batch writes it."""
        try:
            self.path = resolved(path)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._begin(lines)
        except OSError as error:
            raise cannot_be("written", path, error) from None

    def _begin(self, lines: Iterable[str]) -> BinaryIO:
        with open(self.path, "ab") as old:
            _lock(old, self.path)
            replace_lines(self.path, lines)
            file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - open until `close`
            _lock(file, self.path)
            return file

    def add(self, line: str) -> None:
        """Raises OSError, whose text is a sentence; then no half of a line is left, if possible."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        before = os.fstat(self._file.fileno()).st_size
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file.fileno(), before)
            raise OSError(f"{self.path} cannot be written: {error.strerror or error}.") from None

    def close(self) -> None:
        self._file.close()


def replace_lines(path: Path, lines: Iterable[str]) -> None:
    """Put a file of these lines in the place of `path` (resolved before others could write there), in one step; it
    keeps its permissions. Raises OSError."""
    write_atomic(path, (line + "\n" for line in lines), follow=False)


def _lock(file: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"Another batch writes to {path}. Wait for it, or name another file.") from None
