"""What a snapshot leaves out, seen from the outside: by name, size and times, never by content.

Installed packages run with the work, and a check imports what lies there. Fifty thousand files are not to be read after
each turn, but a file cannot be written without a new ctime, which nobody can set. Of build folders and of version
control only programs at their top are looked at, and hooks: what is further in is too much, and made anew.
"""

import os
import stat
from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from agentbatch.patterns import regex
from agentbatch.workspace.files.ignored import IGNORED_FOLDERS
from agentbatch.workspace.files.removal import entries_of

MAX_LOOKED_AT = 10_000
"""Files in such folders that are looked at, those near the top first: about 40 ms."""

PACKAGES = frozenset({"node_modules", "bower_components", ".venv", "venv", ".tox", ".nox", ".eggs"})
BYTECODE = "__pycache__"
_CACHES = frozenset({".cache", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
"""No program belongs there."""
_TOPS = IGNORED_FOLDERS - PACKAGES - _CACHES - {BYTECODE, ".nuxt"} | {"target"}
"""No program belongs directly into these."""
_PROGRAM = regex(r".*\.(py|pyc|pth|so|[cm]?[jt]s|sh|rb|pl)")
_LOADED_BY_ITSELF = regex(
    r".*\.pth|(sitecustomize|usercustomize|conftest)\.py|pyvenv\.cfg|\.package-lock\.json"
)
_PROGRAMS = frozenset({"bin", ".bin", "Scripts"})
"""Folders of programs: each of them is named by itself."""


def has_packages(folders: Iterable[Path]) -> bool:
    return any(folder.name in PACKAGES for folder in folders)


def look_at_left_out(root: Path, folders: Iterable[Path]) -> tuple[dict[str, str], bool]:
    """What `folders`, which a snapshot of `root` leaves out, hold: a digest by path, of single files where one alone
    can mislead a check, else of all files of a folder (`node_modules/x/`); and whether that is all of it."""
    found: dict[str, str] = {}
    room = MAX_LOOKED_AT
    waiting = deque(_starts(folders))
    while waiting:
        folder, kind = waiting.popleft()
        name = folder.relative_to(root).as_posix()
        facts = []
        for entry in _entries(folder):
            try:
                if entry.is_dir(follow_symlinks=False):
                    if kind in ("packages", "cache"):
                        waiting.append((Path(entry.path), BYTECODE if entry.name == BYTECODE else kind))
                    continue
                fact = _fact(entry)
            except OSError:
                continue  # gone meanwhile
            room -= 1
            if room < 0:
                return found, False
            if _is_named(kind, folder.name, entry.name):
                found[f"{name}/{entry.name}"] = _digest(fact)
            elif kind in ("packages", BYTECODE):
                facts.append(fact)
        if facts:
            found[f"{name}/"] = _digest("\n".join(facts))
    return found, True


def _starts(folders: Iterable[Path]) -> Iterable[tuple[Path, str]]:
    for folder in folders:
        if folder.name == BYTECODE:
            yield folder, BYTECODE
        elif folder.name in PACKAGES:
            yield folder, "packages"
        elif folder.name in _CACHES:
            yield folder, "cache"
        elif folder.name in _TOPS:
            yield folder, "top"
        if folder.name == ".git":
            yield folder / "hooks", "hooks"


def _is_named(kind: str, folder: str, name: str) -> bool:
    match kind:
        case "packages":
            return folder in _PROGRAMS or _LOADED_BY_ITSELF.fullmatch(name) is not None
        case "cache" | "top":
            return _PROGRAM.fullmatch(name) is not None
        case "hooks":
            return not name.endswith(".sample")
    return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return entries_of(folder)
    except OSError:
        return []


def _fact(entry: os.DirEntry[str]) -> str:
    status = entry.stat(follow_symlinks=False)
    # An installer that links files from its store changes the ctime of all of them when it makes another link.
    changed = status.st_ctime_ns if status.st_nlink == 1 else 0
    runs = bool(status.st_mode & stat.S_IXUSR)
    return f"{entry.name}\0{status.st_size} {status.st_mtime_ns} {status.st_ino} {changed} {runs}"


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
