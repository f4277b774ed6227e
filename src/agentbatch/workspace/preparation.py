"""What is asked of this machine before a run: whether its tasks can work where they are to, and in which sandbox."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from agentbatch.config.own_environment import own_environment
from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.text import clip
from agentbatch.workspace.isolation.worktree.repository import Checked, check_worktrees
from agentbatch.workspace.programs.finding import find_program
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, choose_sandbox

__all__ = [
    "Checked",
    "SandboxChoice",
    "check_directories",
    "check_worktrees",
    "choose_sandbox",
    "find_program",
    "own_environment",
]

TRIED = 20
"""Directories that are written to before the run; of more, the permissions have to do."""


def check_directories(tasks: Iterable[tuple[str, Path]], base: Path) -> None:
    """Whether every task's directory can be made and written to. `tasks`: id and directory (resolved); `base`: the
    folder of the run (resolved). Raises UserError for the first that cannot."""
    known: dict[Path, Path] = {}
    checked: set[Path] = set()
    for task_id, root in tasks:
        try:
            existing = _existing(root, known)
        except OSError as error:
            raise UserError(f"Task {task_id}: its dir cannot be made: {clip(str(error), 300)}.") from None
        kept = next((name for name in (STATE_FOLDER, ".git") if name in root.parts[len(base.parts) :]), "")
        if kept and root.is_relative_to(base):
            raise UserError(
                f"Task {task_id}: its dir {clip(str(root), 300)} lies in {kept}, where nothing works: what lies "
                "there runs later, or keeps runs. Give it a directory of its own."
            )
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
