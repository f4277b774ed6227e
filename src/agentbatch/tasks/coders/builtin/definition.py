"""What the builtin coder is: agents/coder.toml, checked."""

from pathlib import Path

from pydantic import Field, field_validator

from agentbatch.config import Amount
from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServers
from agentbatch.tasks.agents.definition import ModelParameters, Part, load_definition
from agentbatch.tasks.agents.resources import find_resource
from agentbatch.tasks.coders.builtin.toolbox import Finish, select_tools
from agentbatch.tasks.spec.escalation import Steps


class CoderLimits(Part):
    """Limits of one turn."""

    steps: int = Field(100, ge=1)
    tokens: int | None = Field(None, ge=1)
    cost: Amount | None = None
    """US dollars; holds only where the price is known."""
    format_errors: int = Field(3, ge=1)
    command_timeout: int = Field(120, ge=1, le=3600)


def _in_the_words_of_tasks(step: object) -> object:
    """`model` is what `coder_model` was called here."""
    if not isinstance(step, dict) or "model" not in step or "coder_model" in step:
        return step
    return {"coder_model" if name == "model" else name: value for name, value in step.items()}


class Mcp(Part):
    servers: McpServers = Field({})
    """Of tools, which all tasks have."""


class CoderDefinition(Part):
    prompt: str = "coder.md"
    brief_prompt: str = "coder_brief.md"
    """For weak models, whose tools are described in text, or whose window is small: few and plain words."""
    tools: tuple[str, ...] = Field(("bash", "read_file", "write_file", "edit_file", "finish"), strict=False)
    limits: CoderLimits = CoderLimits()
    model: ModelParameters = ModelParameters()
    mcp: Mcp = Mcp()
    escalate: Steps = ()
    """Of tasks that say nothing themselves, where the run's settings do not either."""

    @field_validator("escalate", mode="before")
    @classmethod
    def _read_escalate(cls, value: object) -> object:
        return [_in_the_words_of_tasks(step) for step in value] if isinstance(value, list) else value

    @property
    def prompts(self) -> tuple[str, str]:
        return self.prompt, self.brief_prompt


def load_coder(folder: Path) -> CoderDefinition:
    """agents/coder.toml as found from `folder`. Raises UserError naming the file and what is wrong in it."""
    path = find_resource("agents", "coder.toml", folder)
    definition = load_definition(path, CoderDefinition)
    try:
        select_tools(definition.tools)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if Finish.name not in definition.tools:
        raise UserError(f"{path}: tools: 'finish' is missing; without it the coder cannot end its turn.")
    return definition
