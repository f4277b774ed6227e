"""Which model a task's later iterations are, when the earlier ones were not accepted. Pure."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from agentbatch.config import BUILTIN


class Escalation(BaseModel):
    """What is another from some iteration on; what it does not name stays as it was."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    after: int = Field(ge=1, le=1000)
    """Iterations that were not accepted; the next one is the first of this step."""
    coder_model: str | None = Field(None, min_length=1)
    """On the same endpoint."""
    temperature: float | None = Field(None, ge=0, le=2)
    """The coder's."""
    coder: str | None = Field(None, min_length=1)
    """Another coder takes over: agents/coders.toml has those that there are."""

    @field_validator("coder_model")
    @classmethod
    def _check_model(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("must name a model")
        return value

    @model_validator(mode="after")
    def _check_step(self) -> Self:
        if self.coder_model is None and self.temperature is None and self.coder is None:
            raise ValueError("must name a coder_model, a temperature or a coder")
        return self


def _check_order(steps: tuple[Escalation, ...]) -> tuple[Escalation, ...]:
    for earlier, later in pairwise(steps):
        if later.after <= earlier.after:
            raise ValueError(
                f"each `after` must be greater than the one before it ({later.after} follows {earlier.after})"
            )
    return steps


Steps = Annotated[tuple[Escalation, ...], Field(strict=False), AfterValidator(_check_order)]
"""In the order in which they come."""


class Stage(NamedTuple):
    """What the coder is in one iteration."""

    model: str
    temperature: float | None = None
    """None: what it is without escalation."""
    coder: str = BUILTIN


def stage(steps: Sequence[Escalation], first: Stage, iteration: int) -> Stage:
    """Of a task that began as `first`, in this iteration, counted from 1: all before it were not accepted."""
    model, temperature, coder = first
    for step in steps:
        if iteration > step.after:
            model, coder = step.coder_model or model, step.coder or coder
            temperature = temperature if step.temperature is None else step.temperature
    return Stage(model, temperature, coder)


def steps_of(texts: Sequence[str]) -> tuple[Escalation, ...]:
    """Those of `--escalate`, checked already: `2:MODEL`, `2:@CODER`, `2:@CODER:MODEL`."""
    found = [re.fullmatch(r"(\d+):(?:@([^:]+):?)?(.*)", text) for text in texts]
    return tuple(
        Escalation(after=int(one[1]), coder=one[2], coder_model=one[3] or None)
        for one in found
        if one is not None
    )
