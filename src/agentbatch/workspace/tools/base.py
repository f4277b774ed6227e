"""What every tool is, what it gets, and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from agentbatch.workspace.workspace import Workspace


class Arguments(BaseModel):
    """Arguments of one tool. Unknown names are an error, so that a misremembered one is not silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class CommandRecord:
    """One shell command that ran, as evidence for the evaluator."""

    command: str
    exit_code: int | None
    """None: killed at its timeout or for flooding."""
    tail: str
    """The last lines of its output."""
    seconds: float


@dataclass(frozen=True)
class FileRecord:
    """One file as a tool left it."""

    path: str
    """As the model named it."""
    digest: str
    """sha256 of its content."""
    unchanged: bool = False
    """It held exactly this already."""


@dataclass(frozen=True)
class ToolResult:
    """The answer to one tool call."""

    text: str
    """What the model reads. For an error: what is wrong and what to do next."""
    ok: bool = True
    invalid: bool = False
    """The call itself was wrong (bad JSON, unknown tool, bad arguments): nothing was done."""
    finished: bool = False
    """`finish` was called: the turn ends."""
    summary: str = ""
    """What the coder told `finish`."""
    command: CommandRecord | None = None
    file: FileRecord | None = None
    """The file that was written."""
    changed: bool = False
    """A file was written (if with what it held already) or a command ran: the coder did something."""
    note: str = ""
    """One line for a person beside the call, e.g. `exit 1`."""


class Tool(Protocol):
    """One tool: a name, a sentence for the model, a flat argument model, and what it does."""

    name: ClassVar[str]
    description: ClassVar[str]
    arguments: ClassVar[type[Arguments]]

    def summary(self, arguments: Any) -> str:
        """One line for a person that says what this call does: the command, the path."""
        ...

    async def run(self, arguments: Any, workspace: Workspace) -> ToolResult: ...


Toolbox = Mapping[str, Tool]
