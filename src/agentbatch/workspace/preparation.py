"""What is asked of this machine before a run: whether its tasks can work where they are to, and in which sandbox."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from agentbatch.config.own_environment import own_environment
from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER, read_given
from agentbatch.text import clip
from agentbatch.workspace.containers.choosing import choose_here, choose_place
from agentbatch.workspace.containers.names import ENGINES, EngineName
from agentbatch.workspace.files.globs import matcher
from agentbatch.workspace.files.ignored import is_ignored_name
from agentbatch.workspace.isolation.included import meant_by
from agentbatch.workspace.isolation.worktree.repository import WorktreeCheck, check_worktrees
from agentbatch.workspace.programs.finding import command_line, find_program
from agentbatch.workspace.sandbox.limits import limits_warning
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, choose_sandbox
from agentbatch.workspace.setup_cache import FOLDER as SETUPS

__all__ = [
    "ENGINES",
    "SETUPS",
    "EngineName",
    "ParentFiles",
    "SandboxChoice",
    "WorktreeCheck",
    "check_directories",
    "check_worktrees",
    "choose_here",
    "choose_place",
    "choose_sandbox",
    "command_line",
    "find_program",
    "limits_warning",
    "matches",
    "meant_by",
    "own_environment",
    "texts",
]

MAX_RULES_FILE = 1024 * 1024
MAX_LOOKED_AT = 50_000
"""Files of a directory that a pattern may match; a snapshot holds no more."""


def matches(root: Path, pattern: str) -> bool:
    """Whether a file in the directory is meant by a glob; not one in a folder that snapshots leave out, or behind a
    link. Raises UserError for a pattern that is not valid."""
    return next(_meant(root, [pattern]), None) is not None


def texts(root: Path, patterns: Sequence[str], most_files: int, most: int) -> dict[str, str]:
    """Of the files in the directory that globs mean, as far as they are text: by path from there, at most `most_files`,
    with at most `most` characters of each."""
    found: dict[str, str] = {}
    for path in _meant(root, patterns) if patterns else ():
        if path and (text := _text(root / path, most)) is not None:
            found[path] = text
        if len(found) >= most_files:
            break
    return found


def _meant(root: Path, patterns: Sequence[str]) -> Iterator[str]:
    """Paths; empty at the end, where there are too many files to be sure that there are no more."""
    means, seen = matcher(patterns), 0
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not is_ignored_name(folder, name)]
        seen += len(names)
        paths = (os.path.relpath(os.path.join(folder, name), root) for name in names)
        yield from filter(means, paths)
        if seen > MAX_LOOKED_AT:
            yield ""
            return


def _text(path: Path, most: int) -> str | None:
    """Of a file itself, or of what a link beside it means; None: it is none, or no text."""
    if not path.is_file() or path.resolve().parent != path.parent.resolve():
        return None
    try:
        return read_given(path, MAX_RULES_FILE).decode("utf-8")[:most]
    except (OSError, UnicodeDecodeError):
        return None


class ParentFiles:
    """Files with certain names in the folders above tasks' directories, up to the root of the repository that these
    lie in. Each folder is looked at once."""

    def __init__(self, names: Sequence[str], most: int) -> None:
        """`most`: characters of a file that are read."""
        self._names = names
        self._most = most
        self._known: dict[Path, dict[str, tuple[Path, str]] | None] = {}

    def of(self, root: Path) -> dict[str, tuple[str, str]]:
        """By name, of each the nearest: its path from `root` (resolved), and its text."""
        found = self._at(root.parent)
        if not found or os.path.lexists(root / ".git"):
            return {}
        return {name: (os.path.relpath(path, root), text) for name, (path, text) in found.items()}

    def _at(self, folder: Path) -> dict[str, tuple[Path, str]] | None:
        """Of the folder and those above it; None: it lies in no repository, whose files may be anybody's."""
        if folder not in self._known:
            top = os.path.lexists(folder / ".git")
            above = {} if top else self._at(folder.parent) if folder != folder.parent else None
            own = (
                {}
                if above is None
                else {name: text for name in self._names if (text := self._read(folder / name))}
            )
            self._known[folder] = None if above is None else {**above, **own}
        return self._known[folder]

    def _read(self, path: Path) -> tuple[Path, str] | None:
        text = _text(path, self._most)
        return None if text is None else (path, text)


TRIED = 20
"""Directories that are written to before the run; of more, the permissions have to do."""


def check_directories(tasks: Iterable[tuple[str, Path]], base: Path) -> None:
    """Whether every task's directory can be made and written to. `tasks`: id and directory (resolved); `base`: the
    folder of the run (resolved). Raises UserError for the first that cannot."""
    known: dict[Path, Path] = {}
    checked: set[Path] = set()
    home = base.parts
    for task_id, root in tasks:
        try:
            existing = _existing(root, known)
        except OSError as error:
            raise UserError(f"Task {task_id}: its dir cannot be made: {clip(str(error), 300)}.") from None
        parts = root.parts
        below = parts[len(home) :]
        kept = STATE_FOLDER if STATE_FOLDER in below else ".git" if ".git" in below else ""
        if kept and parts[: len(home)] == home:
            raise UserError(
                f"Task {task_id}: its dir {clip(str(root), 300)} lies in {kept}, where nothing works: what lies "
                "there runs later, or keeps runs. Give it a directory of its own."
            )
        if len(parts) == 1:
            raise UserError(f"Task {task_id}: its dir is /; give it a directory of its own.")
        if existing in checked:
            continue
        checked.add(existing)
        if not existing.is_dir():
            raise UserError(f"Task {task_id}: its dir {root} cannot be made: {existing} is a file.")
        problem = _write_problem(existing, tried=len(checked) <= TRIED)
        if problem:
            raise UserError(
                f"Task {task_id}: its dir {root} cannot be made or written to: {existing}: {problem}."
            )


def _existing(path: Path, known: dict[Path, Path]) -> Path:
    """The path, or the nearest one above that exists. `known`: those of folders that were looked at."""
    if path.exists():
        return path
    parent = path.parent
    if parent not in known:
        known[parent] = _existing(parent, known)
    return known[parent]


def _write_problem(folder: Path, *, tried: bool) -> str:
    """Why nothing can be made in the folder; empty: something can."""
    if not tried:
        return "" if os.access(folder, os.W_OK | os.X_OK) else "Permission denied"
    try:
        with tempfile.TemporaryDirectory(prefix=".agentbatch-", dir=folder):
            return ""
    except OSError as error:
        return str(error.strerror or error)
