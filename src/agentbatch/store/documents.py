"""Whole-file documents: written beside, then put in place in one step, so that no reader sees half of one."""

import os
import tempfile
from functools import lru_cache
from pathlib import Path

import aiofiles

from agentbatch.errors import UserError


async def write_document(path: Path, text: str) -> None:
    """Write `text` to `path` atomically; an existing file keeps its permissions. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".tmp", dir=path.parent)
    try:
        os.fchmod(handle, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        async with aiofiles.open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            await file.write(text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


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


@lru_cache(maxsize=1)
def _umask() -> int:
    """The process's umask, read without changing it where the system tells (Linux)."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o022
