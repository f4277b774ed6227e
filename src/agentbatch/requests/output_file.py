"""A batch's output: a line a result, each whole."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from agentbatch.errors import UserError


class OutputFile:
    """Lines are appended as they come, and are on their way to the disk when `add` returns.

    The journal has them already: what a crash leaves here, also half a line, is written anew when the batch goes on.
    """

    def __init__(self, path: Path) -> None:
        """Begins the file anew. Raises UserError when it cannot be written."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = open(path, "wb", buffering=0)  # noqa: SIM115 - open until `close`
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}.") from None

    def add(self, line: str) -> None:
        """Raises OSError."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        while data:
            data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()


def write_ordered(path: Path, lines: Iterable[str]) -> None:
    """The same lines in another order, put in place in one step. Raises OSError."""
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(beside, "x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            for line in lines:
                file.write(line + "\n")
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
