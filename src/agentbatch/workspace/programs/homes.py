"""The HOMEs of a task's programs: a folder each, in the task's own folder in the run's. What lies in one was written
by a program, and is neither followed nor read."""

import os
import re
import secrets
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.files import PRIVATE, make_missing, open_folder

HOMES = "homes"
"""Name of their folder in the task's folder."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def make_home(homes: Path, name: str, files: Mapping[str, bytes]) -> Path:
    """The HOME of that name, with `files` in it as they are given; everything else stays as it was. Raises OSError,
    UserError."""
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name for a HOME: letters, digits, `.`, `_` and `-`.")
    home = homes / name
    with open_folder(home.anchor, homes.parent.parts[1:], make_missing) as task:
        for path, content in {**files, "": b""}.items():
            *folders, base = _parts(path) if path else [""]
            with open_folder(f"/proc/self/fd/{task}/", (homes.name, name, *folders), _make) as folder:
                if base:
                    _write(folder, base, content)
    return home


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise UserError(f"{path!r} is no path in a HOME: relative, without `..`.")
    return parts


def _make(at: int, name: str) -> None:
    """A folder for the owner alone, instead of whatever else has that name."""
    _clear(at, name)
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)


def _clear(at: int, name: str) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=at)


def _write(at: int, name: str, content: bytes) -> None:
    beside = f".agentbatch-{secrets.token_hex(8)}"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE, dir_fd=at)
    with open(handle, "wb") as file:
        file.write(content)
    try:
        os.replace(beside, name, src_dir_fd=at, dst_dir_fd=at)
    except IsADirectoryError:
        shutil.rmtree(name, dir_fd=at)
        os.replace(beside, name, src_dir_fd=at, dst_dir_fd=at)
