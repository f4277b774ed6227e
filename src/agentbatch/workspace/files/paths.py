"""Confinement: turning a path that a model wrote into a place inside the task's directory."""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agentbatch.files import resolved

MAX_NAME = 255
"""Bytes in one file name (NAME_MAX of Linux and macOS)."""
MAX_PATH = 4095
"""Bytes in one path (PATH_MAX of Linux without its NUL)."""


class PathError(ValueError):
    """A path that is refused. Its text is a sentence for the model: what is wrong and what to do."""


class Resolver:
    """`resolved` for many paths: what lies in one directory is looked up by its last part only."""

    def __init__(self) -> None:
        self._known: dict[str, Path] = {}

    def __call__(self, path: Path) -> Path:
        """Raises OSError, as `resolved` does."""
        parent, name = os.path.split(path)
        if not parent or name in ("", ".", ".."):
            return resolved(path)
        folder = self._known.get(parent)
        if folder is None:
            folder = self._known[parent] = resolved(Path(parent))
        place = folder / name
        return resolved(place) if place.is_symlink() else place


def confine(root: Path, path: str, readable: Sequence[Path] = ()) -> Path:
    """The resolved place that `path` means, inside `root` or, for reading, inside one of `readable`.

    What counts is where a path ends after every symlink and `..` has been followed, also one that dangles, so
    a link to the outside is refused and an absolute path to the inside is not. Comparison is by exact name:
    on a disk that ignores case, another spelling of the root is refused rather than guessed. The result
    contains no symlinks. Raises PathError.
    """
    _check_form(path)
    try:
        target = resolved(root / path)
        places = [root.resolve(), *(place.resolve() for place in readable)]
    except OSError as error:
        raise PathError(f"The path {path!r} cannot be followed: {error}.") from None
    if not any(target.is_relative_to(place) for place in places):
        raise PathError(
            f"The path {path!r} leads to {target}, outside the working directory. "
            "Use a path relative to the working directory."
        )
    return target


@contextmanager
def open_parent(
    root: Path, path: str, make: Callable[[int, str], None] | None = None
) -> Iterator[tuple[int, str]]:
    """A handle of the folder that holds `path`, reached without following a link, and the last name. `make` gets each
    folder's parent and name before it is opened, to make it."""
    *folders, base = path.split("/")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    at = os.open(root, flags)
    try:
        for folder in folders:
            if make is not None:
                make(at, folder)
            inner = os.open(folder, flags, dir_fd=at)
            os.close(at)
            at = inner
        yield at, base
    finally:
        os.close(at)


def _check_form(path: str) -> None:
    if not path.strip():
        raise PathError(
            "The path is empty. Give a path relative to the working directory, such as src/main.py."
        )
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise PathError(f"The path {path!r} contains control characters. Give a plain file name.")
    try:
        length = len(path.encode("utf-8"))
        longest = max(len(part.encode("utf-8")) for part in path.split("/"))
    except UnicodeEncodeError:
        raise PathError(f"The path {path!r} is not valid Unicode. Give a plain file name.") from None
    if length > MAX_PATH or longest > MAX_NAME:
        raise PathError(
            f"The path is too long ({length} bytes, longest name {longest}): a name holds at most "
            f"{MAX_NAME} bytes, a path {MAX_PATH}. Choose a shorter one."
        )
    if path == "~" or path.startswith("~/"):
        raise PathError(f"{path!r}: ~ stands for nothing here. Use a path relative to the working directory.")
