"""The HOMEs of a task's programs: a folder each, in the task's own folder in the run's. What lies in one was written
by a program, and is neither followed nor read."""

import os
import secrets
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from agentbatch.errors import UserError
from agentbatch.files import PRIVATE, make_missing, open_folder
from agentbatch.patterns import regex
from agentbatch.workspace.files.ways import Ways

HOMES = "homes"
"""Name of their folder in the task's folder."""

MAX_SIZE = 10 << 30
"""Bytes on disk that one may take."""
MAX_ENTRIES = 1_000_000
"""Files and folders in one."""

_NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_TOOLCHAINS = {
    "RUSTUP_HOME": ".rustup",
    "VOLTA_HOME": ".volta",
    "ASDF_DATA_DIR": ".asdf",
    "PYENV_ROOT": ".pyenv",
    "PYTHONUSERBASE": ".local",
}
"""Variables of toolchains that look for themselves in HOME, and where in it."""


def make_home(homes: Path, name: str, files: Mapping[str, bytes | Path]) -> Path:
    """The HOME of that name, with `files` in it as they are given, a Path as a link to it; everything else stays as it
    was. Raises OSError, UserError."""
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no name for a HOME: letters, digits, `.`, `_` and `-`.")
    with open_folder(homes.anchor, homes.parent.parts[1:], make_missing):
        pass
    places = {path: _parts(path) for path in files}
    with open_folder(homes.parent, (homes.name, name), _make):
        pass
    for path, content in files.items():
        *folders, base = places[path]
        with open_folder(homes.parent, (homes.name, name, *folders), _make) as folder:
            _put(folder, base, content)
    return homes / name


def is_too_large(home: Path, most: int = MAX_SIZE, entries: int = MAX_ENTRIES) -> bool:
    """It takes more of the disk than a HOME may, or has more files than can be counted. Links are not followed; who
    changes it meanwhile can have less seen, and no more."""
    folders = [""]
    with suppress(OSError), Ways(home) as ways:
        while folders:
            path = folders.pop()
            with suppress(OSError), ways.entries(path) as found:
                for entry in found:
                    status = entry.stat(follow_symlinks=False)
                    most -= status.st_blocks * 512  # what a sparse file does not hold takes nothing
                    entries -= 1
                    if most < 0 or entries < 0:
                        return True
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{path}/{entry.name}" if path else entry.name)
    return False


def toolchain_variables(home: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Those that toolchains in the user's HOME need where HOME is another, and that are not set."""
    there = {name: home / place for name, place in _TOOLCHAINS.items() if name not in env}
    return {name: str(place) for name, place in there.items() if place.is_dir()}


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise UserError(f"{path!r} is no path in a HOME: relative, without `..`.")
    return parts


def _make(at: int, name: str) -> None:
    """A folder for the owner alone, in the place of whatever else has that name, or of one that cannot be opened."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            os.chmod(name, 0o700, dir_fd=at)
        else:
            os.unlink(name, dir_fd=at)
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=at)


def _put(at: int, name: str, content: bytes | Path) -> None:
    """In one step: a link, fifo or hard link that has that name is replaced, not written to."""
    beside = f".agentbatch-{secrets.token_hex(8)}"
    if isinstance(content, Path):
        os.symlink(content, beside, dir_fd=at)
    else:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE, dir_fd=at)
        with open(handle, "wb") as file:
            file.write(content)
    try:
        os.replace(beside, name, src_dir_fd=at, dst_dir_fd=at)
    except IsADirectoryError:
        shutil.rmtree(name, dir_fd=at)
        os.replace(beside, name, src_dir_fd=at, dst_dir_fd=at)
