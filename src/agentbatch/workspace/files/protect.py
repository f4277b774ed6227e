"""Files that the coder must not change: kept at the start of a task, put back before each check."""

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from agentbatch.errors import UserError
from agentbatch.workspace.files.globs import matcher
from agentbatch.workspace.files.ignored import is_ignored
from agentbatch.workspace.files.paths import open_parent, walk
from agentbatch.workspace.files.removal import open_up, remove_tree
from agentbatch.workspace.files.replace import unfinished_name
from agentbatch.workspace.workspace import Protected, ProtectedFile

MAX_KEPT = 64 * 1024 * 1024
"""Bytes that one task's protected files may hold together; they are kept in memory."""


def protect(root: Path, patterns: Sequence[str]) -> Protected:
    """Keep what `patterns` (globs relative to `root`; a folder means all in it) match now.

    Raises UserError when that is too much to keep, OSError when it cannot be read.
    """
    kept: dict[str, ProtectedFile] = {}
    total = 0
    for name in _matching(root, patterns):
        with open_parent(root, name) as (folder, base):
            found = _look(folder, base)
        if found is None:
            continue
        kept[name] = found
        total += len(found.content)
        if total > MAX_KEPT:
            raise UserError(
                f"protected_paths: what they match in {root} is over {MAX_KEPT // 2**20} MiB; "
                "name the files that matter, not large data."
            )
    return Protected(tuple(patterns), kept)


def restore(root: Path, protected: Protected) -> list[str]:
    """Put back what was changed, replaced or deleted; returns the paths that had been tampered with.

    A file that was added where a pattern matches is named among them but stays: it may be what the task
    asked for. What the coder put in a protected file's place goes, be it a link, or a folder with all in
    it, or what Python imports in its place. Nothing is read or written through a symlink, so nothing outside
    `root` is touched.
    """
    tampered = set()
    for name, kept in protected.files.items():
        try:
            differed = _restore(root, name, kept)
        except PermissionError:
            _open_way(root, name)
            differed = _restore(root, name, kept)
        if differed:
            tampered.add(name)
    added = [name for name in _matching(root, protected.patterns) if name not in protected.files]
    for name in added:
        if _stands_for(root, name) in protected.files:
            with open_parent(root, name) as (folder, base):
                os.unlink(base, dir_fd=folder)
    return sorted(tampered.union(added))


def _restore(root: Path, name: str, kept: ProtectedFile) -> bool:
    """Whether it was not as it was kept."""
    with open_parent(root, name, _make_folder) as (folder, base):
        try:
            if _look(folder, base) == kept:
                return False
        except PermissionError:
            pass  # it could be read when it was kept
        _clear_folder(root, folder, base)
        _put_back(folder, base, kept)
    return True


def _open_way(root: Path, name: str) -> None:
    """Folders on the way to it that the coder has closed to their owner."""
    for way in reversed(PurePath(name).parents):
        with suppress(OSError):
            if stat.S_ISDIR((root / way).lstat().st_mode):
                open_up(root / way)


def _stands_for(root: Path, name: str) -> str:
    """The source in whose place Python imports what that is: a package's first file, a link to a package, or a library.
    Empty: none."""
    folder, _, base = name.rpartition("/")
    if base.startswith("__init__."):
        return f"{folder}.py"
    if "." not in base:
        return f"{name}.py" if os.path.islink(root / name) else ""
    return f"{folder}/{base.partition('.')[0]}.py".lstrip("/") if base.endswith((".so", ".pyd")) else ""


def _matching(root: Path, patterns: Sequence[str]) -> list[str]:
    """Files that a pattern names, and what Python imports in the place of one of them."""
    if not patterns:
        return []
    matches = matcher(patterns)
    named = {part for pattern in patterns for part in pattern.split("/")}
    found: list[str] = []
    for folder in walk(root):
        inner = root / folder.path
        folder.folders[:] = [n for n in folder.folders if n in named or not is_ignored(inner / n)]
        found += map(folder.place, folder.others)
    matching = set(filter(matches, found))
    return sorted(path for path in found if path in matching or _stands_for(root, path) in matching)


def _make_folder(at: int, name: str) -> None:
    """What is in its way is removed."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
            return
        os.unlink(name, dir_fd=at)
    os.mkdir(name, dir_fd=at)


def _look(folder: int, name: str) -> ProtectedFile | None:
    """The file as it is; None: it does not exist, or is neither file nor link."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):
        return ProtectedFile(os.fsencode(os.readlink(name, dir_fd=folder)), None)
    if not stat.S_ISREG(status.st_mode):
        return None
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with open(handle, "rb") as file:
        return ProtectedFile(file.read(MAX_KEPT + 1), stat.S_IMODE(status.st_mode))


def _clear_folder(root: Path, folder: int, name: str) -> None:
    """Away with a folder, however deep it is: from the top, where its path is short."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            away = root / unfinished_name()
            os.rename(name, away, src_dir_fd=folder)
            remove_tree(away)


def _put_back(folder: int, name: str, kept: ProtectedFile) -> None:
    """By a new file beside it and a rename, so that a hard link to elsewhere keeps its content."""
    fresh = unfinished_name()
    try:
        if kept.mode is None:
            os.symlink(kept.content, os.fsencode(fresh), dir_fd=folder)
        else:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
            with open(handle, "wb") as file:
                file.write(kept.content)
                os.fchmod(handle, kept.mode)
        os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)
        raise
