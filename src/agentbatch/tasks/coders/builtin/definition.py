"""What the builtin coder is: agents/coder.toml, checked."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from pydantic import Field, field_validator

from agentbatch.config import Amount
from agentbatch.errors import UserError
from agentbatch.tasks.agents.definition import ModelParameters, Part, load_definition
from agentbatch.tasks.agents.resources import find_resource
from agentbatch.tasks.coders.builtin.toolbox import Finish, select_tools
from agentbatch.tasks.spec.plan import PlannedTask


class CoderLimits(Part):
    """Limits of one turn."""

    steps: int = Field(100, ge=1)
    tokens: int | None = Field(None, ge=1)
    cost: Amount | None = None
    """US dollars; holds only where the price is known."""
    format_errors: int = Field(3, ge=1)
    command_timeout: int = Field(120, ge=1, le=3600)


class Escalation(Part):
    """A stronger model for a task that does not get done."""

    after: int = Field(ge=1)
    """Iterations that were not accepted; the next one is this model's."""
    model: str = Field(min_length=1)
    """On the same endpoint."""

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must name a model")
        return value


class CoderDefinition(Part):
    prompt: str = "coder.md"
    brief_prompt: str = "coder_brief.md"
    """For weak models, whose tools are described in text, or whose window is small: few and plain words."""
    tools: tuple[str, ...] = Field(("bash", "read_file", "write_file", "edit_file", "finish"), strict=False)
    limits: CoderLimits = CoderLimits()
    model: ModelParameters = ModelParameters()
    escalate: tuple[Escalation, ...] = Field((), strict=False)
    """Whose the later iterations are, also of a task with a model of its own."""

    @field_validator("escalate")
    @classmethod
    def _check_escalate(cls, value: tuple[Escalation, ...]) -> tuple[Escalation, ...]:
        for earlier, later in pairwise(value):
            if later.after <= earlier.after:
                raise ValueError(
                    f"each `after` must be greater than the one before it ({later.after} follows {earlier.after})"
                )
        return value

    @property
    def prompts(self) -> tuple[str, str]:
        return self.prompt, self.brief_prompt

    def model_for(self, first: str, iteration: int) -> str:
        """The coder's model in this iteration, counted from 1, of a task that began with `first`: all iterations before
        it were not accepted."""
        reached = [step.model for step in self.escalate if iteration > step.after]
        return reached[-1] if reached else first

    def models(self, tasks: Iterable[PlannedTask], default: str) -> tuple[str, ...]:
        """Every model that may be asked as a coder, each once, the run's own first: for prices and tool modes. Steps
        that no task has iterations for are left out."""
        planned = tuple(tasks)
        longest = max((task.max_iterations for task in planned), default=0)
        own = [task.task.coder_model for task in planned if task.task.coder_model]
        later = [step.model for step in self.escalate if step.after < longest]
        return tuple(dict.fromkeys([default, *own, *later]))


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
