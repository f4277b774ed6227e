"""What is asked of this machine before a run: whether its tasks can work where they are to, and in which sandbox."""

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from agentbatch.config.own_environment import own_environment
from agentbatch.errors import UserError
from agentbatch.workspace.isolation.worktree.repository import Checked, check_worktrees
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, choose_sandbox

__all__ = [
    "Checked",
    "SandboxChoice",
    "check_directories",
    "check_worktrees",
    "choose_sandbox",
    "own_environment",
]

TRIED = 20
"""Directories that are written to before the run; of more, the permissions have to do."""


def check_directories(tasks: Iterable[tuple[str, Path]]) -> None:
    """Whether every task's directory can be made and written to. `tasks`: id and directory (resolved). Raises
    UserError for the first that cannot."""
    known: dict[Path, Path] = {}
    checked: set[Path] = set()
    for task_id, root in tasks:
        try:
            os.fsencode(root)
            existing = _existing(root, known)
        except UnicodeEncodeError:
            raise UserError(
                f"Task {task_id}: its dir {os.fspath(root)!a} cannot be named in this locale "
                f"({sys.getfilesystemencoding()}). Set LC_ALL=C.UTF-8 or PYTHONUTF8=1."
            ) from None
        except OSError as error:
            raise UserError(f"Task {task_id}: its dir cannot be made: {error}.") from None
        if root == Path("/"):
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
