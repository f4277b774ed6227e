"""A judge's answer, as it is written down and as a results file has it."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Quote(BaseModel):
    """What a judge names as evidence: words, and the piece of evidence in which they stand."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    ref: str = ""
    """The piece's, e.g. `C2`; empty: any."""
    quote: str
    where: str = ""
    """What the harness found at that ref and in these words, e.g. `command, exit 0: python3 prog.py`; empty: they do
    not stand there, or nobody has looked."""


def _quotes(value: Any) -> Any:
    """Also text alone, as old files have it and a judge without a schema writes it, and one quote without its list."""
    items = value if isinstance(value, list) else [value]
    return [
        {"quote": item} if isinstance(item, str) else item
        for item in items
        if not isinstance(item, str) or item.strip()
    ]


class Requirement(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    text: str
    met: bool
    evidence: Annotated[list[Quote], BeforeValidator(_quotes)]


class Ruling(BaseModel):
    """What a judge says of a check that failed and that the evaluator itself had made."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    ref: str
    wrong: bool
    """The check is, not the work."""
    why: str = ""
    mended: str = ""
    """The check as it should be; empty: as it is, or not at all."""


class Verdict(BaseModel):
    """The judge's answer. Strict: `"complete": "false"` is no verdict, neither is one without its fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    requirements: list[Requirement]
    missing: list[str]
    complete: bool
    blocked: bool
    score: float = Field(ge=0, le=1)
    follow_up_prompt: str
    checks: list[Ruling] = []
