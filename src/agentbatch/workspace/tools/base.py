"""What every tool is: a pure half that a model sees, and a hand that works in a task's directory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from agentbatch.workspace.files.paths import PathError, confine
from agentbatch.workspace.shell.shell import Shell
from agentbatch.workspace.workspace import ToolResult


class Arguments(BaseModel):
    """Arguments of one tool. Unknown names are an error, so that a misremembered one is not silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ToolDirectory(NamedTuple):
    """The task's directory as tools see it."""

    root: Path
    """The task's directory, resolved. File tools cannot leave it."""
    shell: Shell
    outputs: Path
    """Folder outside of it where whole outputs are spilled; readable by `read_file`."""

    inside: str = ""
    """Where the commands see the directory, if elsewhere; a model names its files by that."""

    def to_read(self, path: str) -> Path:
        """In the task's directory or among its kept outputs. Raises PathError."""
        found = confine(self.root, self._here(path), readable=(self.outputs,))
        return found if found.is_relative_to(self.outputs.resolve()) else self._unhidden(path, found)

    def to_write(self, path: str) -> Path:
        """In the task's directory. Raises PathError."""
        return self._unhidden(path, confine(self.root, self._here(path)))

    def _here(self, path: str) -> str:
        if not self.inside or not (path == self.inside or path.startswith(f"{self.inside.rstrip('/')}/")):
            return path
        return str(self.root) + path[len(self.inside.rstrip("/")) :]

    def _unhidden(self, path: str, found: Path) -> Path:
        if self.shell.hides(found):
            raise PathError(f"{path} is kept out of your reach: it holds settings or keys. Do without it.")
        return found


class Tool(Protocol):
    """One tool as a model and a person see it: a name, a sentence for the model, a flat argument model. Pure."""

    name: ClassVar[str]
    description: ClassVar[str]
    arguments: ClassVar[type[Arguments]]

    def summary(self, arguments: Any) -> str:
        """One line for a person that says what this call does: the command, the path."""
        ...


class Hand(Tool, Protocol):
    """A tool that works in the task's directory."""

    async def run(self, arguments: Any, directory: ToolDirectory) -> ToolResult: ...


Toolbox = Mapping[str, Tool]
"""By name."""
