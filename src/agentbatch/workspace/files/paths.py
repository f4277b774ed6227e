"""Confinement: turning a path that a model wrote into a place inside the task's directory."""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from agentbatch.errors import UserError
from agentbatch.files import make_missing, open_folder, resolved
from agentbatch.workspace.files.removal import entries_of
from agentbatch.workspace.files.ways import Ways

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

    def __call__(self, path: str | Path) -> Path:
        """Raises OSError, as `resolved` does."""
        parent, name = os.path.split(path)
        if not parent or name in ("", ".", ".."):
            return resolved(Path(path))
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
        if target.is_relative_to(root):
            return target
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
    """A handle of the folder that holds `path`, reached without following a link, and the last name. `make`: as
    for `open_folder`."""
    *folders, base = path.split("/")
    with open_folder(root, folders, make) as folder:
        yield folder, base


def make_unlinked(root: Path) -> None:
    """Make the directory where it is missing. Raises UserError where a link has come into the way to it since its path
    was resolved: another task has put it there, or the user. Raises OSError."""
    with _named(root), open_folder(root.anchor, root.parts[1:], make_missing):
        pass


def check_unlinked(root: Path) -> None:
    """The same of one that need not be there, and is not made."""
    with suppress(FileNotFoundError), _named(root), open_folder(root.anchor, root.parts[1:]):
        pass


@contextmanager
def _named(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        other = next((place for place in (*reversed(root.parents), root) if not _is_folder(place)), None)
        if other is None or not os.path.lexists(other):
            raise OSError(error.errno, error.strerror, str(root)) from None
        what = f"a link now, to {os.readlink(other)}" if other.is_symlink() else "no directory any more"
        raise UserError(
            f"{root} is not the directory that it was before the run: {other} is {what}. "
            "Nothing is done there; put the directory back, and resume."
        ) from error


def _is_folder(place: Path) -> bool:
    return place.is_dir() and not place.is_symlink()


class Folder(NamedTuple):
    """One folder of a directory."""

    path: str
    """Relative, `/`-separated; empty: the directory itself."""
    folders: list[str]
    """Names in it. What is taken out of the list is not looked into."""
    others: list[str]
    """Names of everything else, links to folders too."""

    def place(self, name: str) -> str:
        """The path of one of them, relative as `path` is."""
        return f"{self.path}/{name}" if self.path else name


def walk(root: Path) -> Iterator[Folder]:
    """Every folder before what is in it, in order: no link is followed, and no depth is too much for it, as it is for
    os.walk. What is closed to its owner is opened; what cannot be read all the same is left out."""
    waiting = [""]
    with suppress(OSError), Ways(root) as ways:
        while waiting:
            path = waiting.pop()
            try:
                names = _listed(root, path, ways)
            except OSError:
                continue
            folder = Folder(
                path, [n for n, inside in names if inside], [n for n, inside in names if not inside]
            )
            yield folder
            waiting += [folder.place(name) for name in reversed(folder.folders)]


def _listed(root: Path, path: str, ways: Ways) -> list[tuple[str, bool]]:
    """Names in the folder, and whether they are folders."""
    place = os.path.join(root, path)
    if len(place) < MAX_PATH and len(os.fsencode(place)) < MAX_PATH - MAX_NAME:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries_of(place)]
    with ways.entries(path) as found:
        return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)


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
