"""What an agent is: agents/coder.toml and agents/evaluator.toml, checked."""

import difflib
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.agent.resources import find_resource, read_resource
from agentbatch.errors import UserError
from agentbatch.tools.toolbox import select_tools


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModelParameters(_Part):
    """Sent with every call of the role; what is None is left to the endpoint."""

    temperature: float | None = Field(None, ge=0, le=2)
    max_output_tokens: int | None = Field(None, ge=1)
    context_window: int | None = Field(None, ge=1024)
    """Tokens. None: the price list's figure for the model, else DEFAULT_CONTEXT_WINDOW."""


class CoderLimits(_Part):
    """Limits of one turn."""

    steps: int = Field(100, ge=1)
    tokens: int | None = Field(None, ge=1)
    cost: float | None = Field(None, gt=0)
    """US dollars; holds only where the price is known."""
    format_errors: int = Field(3, ge=1)
    command_timeout: int = Field(120, ge=1, le=3600)


class CoderDefinition(_Part):
    prompt: str = "coder.md"
    brief_prompt: str = "coder_brief.md"
    """For models that are told of their tools in text, or whose window is small: few and plain words."""
    tools: tuple[str, ...] = Field(("bash", "read_file", "write_file", "edit_file", "finish"), strict=False)
    limits: CoderLimits = CoderLimits()
    model: ModelParameters = ModelParameters()

    @property
    def prompts(self) -> tuple[str, str]:
        return self.prompt, self.brief_prompt


class EvaluatorLimits(_Part):
    attempts: int = Field(3, ge=1, le=10)
    """Answers that are no valid verdict before an evaluation counts as failed."""
    verify_timeout: float = Field(600.0, gt=0)
    diff_characters: int = Field(30_000, ge=1000)
    unjudged_failed_checks: int = Field(2, ge=0)
    """Failures of a verify command in a row that go back to the coder without the judge."""


class EvaluatorDefinition(_Part):
    prompt: str = "evaluator.md"
    brief_prompt: str = "evaluator_brief.md"
    tools: tuple[str, ...] = Field((), strict=False, max_length=0)
    """The evaluator judges evidence that was gathered for it; it has no tools."""
    limits: EvaluatorLimits = EvaluatorLimits()
    model: ModelParameters = ModelParameters()

    @property
    def prompts(self) -> tuple[str, str]:
        return self.prompt, self.brief_prompt


DEFAULT_CONTEXT_WINDOW = 131_072
"""Tokens: what most current coding models take at least; for models that nobody knows."""

Definition = TypeVar("Definition", CoderDefinition, EvaluatorDefinition)


def load_coder(folder: Path) -> CoderDefinition:
    """agents/coder.toml as found from `folder`. Raises UserError naming the file and what is wrong in it."""
    path = find_resource("agents", "coder.toml", folder)
    definition = _load(path, CoderDefinition)
    try:
        select_tools(definition.tools)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if "finish" not in definition.tools:
        raise UserError(f"{path}: tools: 'finish' is missing; without it the coder cannot end its turn.")
    return definition


def load_evaluator(folder: Path) -> EvaluatorDefinition:
    """agents/evaluator.toml as found from `folder`."""
    return _load(find_resource("agents", "evaluator.toml", folder), EvaluatorDefinition)


def _load(path: Path, kind: type[Definition]) -> Definition:
    try:
        return kind.model_validate(tomllib.loads(read_resource(path)))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}.") from None
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _known_names(kind, problem["loc"][:-1])
            close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
            raise UserError(f"{path}: unknown setting {name}; {hint}") from None
        message = str(problem["msg"]).replace("Input should be", "must be")
        raise UserError(f"{path}: {name}: {message}, not {problem['input']!r}.") from None


def _known_names(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        inner = kind.model_fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        kind = inner
    return list(kind.model_fields)
