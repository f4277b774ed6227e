"""What an agent is: the parts of agents/*.toml that all share, and agents/evaluator.toml, checked."""

import tomllib
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agentbatch.config import Amount
from agentbatch.errors import UserError
from agentbatch.problems import Problem, all_problems, hint, in_one
from agentbatch.tasks.agents.resources import find_resource, read_resource


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModelParameters(Part):
    """Sent with every call of the role; what is None is left to the endpoint."""

    temperature: float | None = Field(None, ge=0, le=2)
    max_output_tokens: int | None = Field(None, ge=1)
    reasoning_effort: str | None = Field(None, pattern=r"^[a-z]{1,20}$")
    """In the endpoint's own word: low, medium, high, …"""
    context_window: int | None = Field(None, ge=1024)
    """Tokens. None: the price list's figure for the model, else DEFAULT_CONTEXT_WINDOW."""


class EvaluatorLimits(Part):
    attempts: int = Field(3, ge=1, le=10)
    """Answers that are no valid verdict before an evaluation counts as failed."""
    verify_timeout: Amount = 600.0
    diff_characters: int = Field(30_000, ge=1000)
    unjudged_failed_checks: int = Field(2, ge=0)
    """Failures of a check in a row that go back to the coder without the judge."""
    checks: int = Field(5, ge=0, le=20)
    """Checks that the evaluator's model writes before the work begins, at most; 0: none."""
    steps: int = Field(8, ge=0, le=100)
    """Calls in which the judge may run commands and read files before it answers; 0: none."""


class CheckSettings(Part):
    """The checks that need no model, and how long checks of any kind but `verify` may take."""

    discover: bool = True
    """Files are looked at for their form, examples in the task and tests that the project has are run."""
    timeout: Amount = 60.0
    """Seconds for one of them."""


class EvaluatorDefinition(Part):
    prompt: str = "evaluator.md"
    brief_prompt: str = "evaluator_brief.md"
    tools: tuple[str, ...] = Field((), strict=False)
    """None to choose: those of a judge that looks for itself are given (`limits.steps`)."""
    limits: EvaluatorLimits = EvaluatorLimits()
    checks: CheckSettings = CheckSettings()
    model: ModelParameters = ModelParameters()

    @field_validator("tools")
    @classmethod
    def _given(cls, tools: tuple[str, ...]) -> tuple[str, ...]:
        if tools:
            raise ValueError(
                "cannot be chosen for the evaluator: leave it out. It looks with bash and read_file; with steps = 0 "
                "in [limits] it does not"
            )
        return tools

    def with_checks(self, most: int | None) -> "EvaluatorDefinition":
        """With other checks of its own at most; None: as it is."""
        if most is None:
            return self
        return self.model_copy(update={"limits": self.limits.model_copy(update={"checks": most})})

    @property
    def prompts(self) -> tuple[str, str]:
        return self.prompt, self.brief_prompt


DEFAULT_CONTEXT_WINDOW = 131_072
"""Tokens: what most current coding models take at least; for unknown models."""

Definition = TypeVar("Definition", bound=BaseModel)


def load_evaluator(folder: Path) -> EvaluatorDefinition:
    """agents/evaluator.toml as found from `folder`."""
    return load_definition(find_resource("agents", "evaluator.toml", folder), EvaluatorDefinition)


def load_definition(path: Path, kind: type[Definition]) -> Definition:
    """The file's content, checked. Raises UserError naming the file and what is wrong in it."""
    try:
        return kind.model_validate(tomllib.loads(read_resource(path)))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}.") from None
    except ValidationError as error:
        raise UserError(in_one(str(path), [_sentence(kind, one) for one in all_problems(error)])) from None


def _sentence(kind: type[BaseModel], problem: Problem) -> str:
    if problem.kind == "extra_forbidden":
        *above, last = problem.location
        return f"unknown setting {problem.name}; {hint(last, _known_names(kind, tuple(above)), 'known')}"
    if problem.kind == "missing":
        return f"{problem.name} is missing."
    return f"{problem.name}: {problem.told().replace('an object', 'a table', 1)}."  # TOML's word


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
