"""Whole-file documents: written beside, then put in place in one step, so that no reader sees half of one."""

import os
import secrets
import tempfile
from pathlib import Path

import aiofiles.os

from agentbatch.errors import UserError


def put_document(path: Path, text: str) -> None:
    """Write `text` to `path` atomically; an existing file keeps its permissions. Raises OSError."""
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(beside, "x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o777)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


write_document = aiofiles.os.wrap(put_document)
"""`put_document` off the event loop, in one go: every await under many tasks is a turn in the loop's queue."""


def check_writable(path: Path) -> None:
    """Find out before a run whether its results can be written. Raises UserError saying why not."""
    if path.is_dir():
        raise UserError(f"The results file {path} is a folder; name a file with --output FILE.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(13, "it is write-protected")
        with tempfile.NamedTemporaryFile(prefix=f".{path.name[:40]}.", dir=path.parent):
            pass
    except OSError as error:
        raise UserError(
            f"The results file {path} cannot be written: {error.strerror or error}. Name another with --output."
        ) from None
