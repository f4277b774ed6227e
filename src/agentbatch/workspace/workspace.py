"""A task's place on disk: its directory, its shell, and where long outputs are kept."""

from dataclasses import dataclass
from pathlib import Path

from agentbatch.workspace.shell.shell import Shell


@dataclass(frozen=True)
class Workspace:
    root: Path
    """The task's directory, resolved. File tools cannot leave it."""
    shell: Shell
    outputs: Path
    """Folder outside the task's directory where whole outputs are spilled; readable by `read_file`."""
