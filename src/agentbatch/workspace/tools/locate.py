"""Where a file tool's path leads, within what the task may touch."""

from pathlib import Path

from agentbatch.workspace.files.paths import PathError, confine
from agentbatch.workspace.workspace import Workspace


def to_read(workspace: Workspace, path: str) -> Path:
    """In the task's directory or among its kept outputs. Raises PathError."""
    found = confine(workspace.root, path, readable=(workspace.outputs,))
    return found if found.is_relative_to(workspace.outputs.resolve()) else _unhidden(workspace, path, found)


def to_write(workspace: Workspace, path: str) -> Path:
    """In the task's directory. Raises PathError."""
    return _unhidden(workspace, path, confine(workspace.root, path))


def _unhidden(workspace: Workspace, path: str, found: Path) -> Path:
    if workspace.shell.hides(found):
        raise PathError(f"{path} is kept out of your reach: it holds settings or keys. Do without it.")
    return found
