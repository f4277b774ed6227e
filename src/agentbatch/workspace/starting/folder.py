"""A folder that others have made: its regular files, listed, read and copied. No link is followed, or made."""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from agentbatch.errors import UserError
from agentbatch.files import open_folder
from agentbatch.workspace.files.removal import remove_tree

MAX_FILES = 20_000
MAX_BYTES = 2 * 1024**3
"""Of all files that are copied of one folder."""


class FolderFile(NamedTuple):
    path: str
    """`/`-separated, below the folder."""
    size: int
    executable: bool


def regular_files(folder: Path) -> list[FolderFile]:
    """All in it, by path. Raises UserError for a link, a fifo or a device, for a name that
    is no text, and for more than MAX_FILES or MAX_BYTES; OSError."""
    found = sorted(_walk(folder))
    if len(found) > MAX_FILES or sum(one.size for one in found) > MAX_BYTES:
        raise UserError(f"{folder} has more than {MAX_FILES:,} files, or {MAX_BYTES // 1024**3} GB.")
    return found


def _walk(folder: Path) -> Iterator[FolderFile]:
    folders = [""]
    count = 0
    while folders and count <= MAX_FILES:
        inner = folders.pop()
        with os.scandir(folder / inner) as entries:
            for entry in entries:
                count += 1
                path = f"{inner}/{entry.name}" if inner else entry.name
                if not path.isprintable():
                    raise UserError(f"{folder} has a name in it that is no text: {path!a:.200}.")
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    folders.append(path)
                elif stat.S_ISREG(status.st_mode):
                    yield FolderFile(path, status.st_size, bool(status.st_mode & stat.S_IXUSR))
                else:
                    raise UserError(f"{folder / path} is a link or no regular file.")


def read_file(folder: Path, path: str, most: int) -> bytes:
    """Raises UserError for one of more than `most` bytes, OSError."""
    with _opened(folder, path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UserError(f"{folder / path} has more than {most:,} bytes.")
    return data


def copy_files(folder: Path, pairs: Iterable[tuple[str, str]], target: Path) -> None:
    """Copy files of `folder` to paths below `target`, which is made; both without `..`. Raises OSError."""
    target.mkdir(parents=True)
    for source, path in pairs:
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with _opened(folder, source) as file, open(place, "wb") as copy:
            shutil.copyfileobj(file, copy)
            os.fchmod(copy.fileno(), 0o755 if os.fstat(file.fileno()).st_mode & stat.S_IXUSR else 0o644)


@contextmanager
def _opened(folder: Path, path: str) -> Iterator[BinaryIO]:
    *above, name = PurePosixPath(path).parts
    with (
        open_folder(folder, above) as at,
        open(name, "rb", opener=lambda p, flags: os.open(p, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)) as file,
    ):  # fmt: skip
        yield file


def discard(place: Path) -> None:
    """Remove what has been made in part."""
    with suppress(OSError):
        remove_tree(place)
