"""What an agent is: agents/coder.toml and agents/evaluator.toml, checked."""

import difflib
import tomllib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agentbatch.errors import UserError
from agentbatch.tasks.agents.resources import find_resource, read_resource
from agentbatch.tasks.agents.toolbox import select_tools
from agentbatch.tasks.spec.plan import PlannedTask


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


class Escalation(_Part):
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


class CoderDefinition(_Part):
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
        raise UserError(f"{path}: {_explain(kind, error)}") from None


PLAIN_WORDS = (
    ("Value error, ", ""),
    ("Input should be", "must be"),
    ("String should have", "must have"),
    ("a valid tuple", "a list"),
)
"""Of pydantic's words, those that a TOML file's author would not use."""


def _explain(kind: type[BaseModel], error: ValidationError) -> str:
    """The first problem as a sentence; a name that is not known comes first, since others follow from it."""
    problems = error.errors(include_url=False, include_context=False)
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    location = problem["loc"]
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if problem["type"] == "extra_forbidden":
        known = _known_names(kind, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}."
        return f"unknown setting {name}; {hint}"
    if problem["type"] == "missing":
        return f"{name} is missing."
    message = "must be a table" if problem["type"] == "model_type" else str(problem["msg"])
    for theirs, ours in PLAIN_WORDS:
        message = message.replace(theirs, ours)
    shown = "" if problem["type"] == "value_error" else f", not {problem['input']!r}"
    return f"{name}: {message}{shown}."


def _known_names(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    for part in location:
        if isinstance(part, int):
            continue
        annotation = kind.model_fields[part].annotation
        inner = next(iter(get_args(annotation)), annotation)
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        kind = inner
    return list(kind.model_fields)
