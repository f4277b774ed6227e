"""The evaluator's structured answer: its strict form, reading it out of a reply, and what it is worth."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

LOWEST_COMPLETE_SCORE = 0.5
"""A verdict that says "complete" below this score contradicts itself."""

LONGEST_FOLLOW_UP = 4000
"""Characters sent on to the coder; the prompt asks for at most 200 words."""


class Requirement(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    text: str
    met: bool
    evidence: str


class Verdict(BaseModel):
    """Strict: `"complete": "false"` is no verdict, neither is one without its fields."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    requirements: list[Requirement]
    missing: list[str]
    complete: bool
    blocked: bool
    score: float = Field(ge=0, le=1)
    follow_up_prompt: str


def verdict_schema() -> tuple[str, dict[str, Any]]:
    """Name and JSON schema for endpoints that can constrain their output: flat, all required, closed."""
    requirement = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "met": {"type": "boolean"},
            "evidence": {"type": "string"},
        },
        "required": ["text", "met", "evidence"],
        "additionalProperties": False,
    }
    properties = {
        "requirements": {"type": "array", "items": requirement},
        "missing": {"type": "array", "items": {"type": "string"}},
        "complete": {"type": "boolean"},
        "blocked": {"type": "boolean"},
        "score": {"type": "number"},
        "follow_up_prompt": {"type": "string"},
    }
    return "verdict", {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class NoVerdict(ValueError):
    """The reply holds no valid verdict; the text says what is wrong, for the judge to mend."""


def parse_verdict(content: str) -> Verdict:
    """The last JSON object of the reply that is a valid verdict, wherever it stands. Raises NoVerdict."""
    text = re.sub(r"<think(?:ing)?>.*?</think(?:ing)?>", "", content, flags=re.DOTALL)
    text = re.sub(r"^.*</think(?:ing)?>", "", text, flags=re.DOTALL)
    problem = "there is no JSON object in it"
    found: Verdict | None = None
    for candidate in _json_objects(text):
        try:
            found = Verdict.model_validate(candidate)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            problem = f"{'.'.join(str(p) for p in first['loc'])}: {first['msg']}"
    if found is None:
        raise NoVerdict(problem)
    return found


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object in the text, in order, each after the objects that it wraps."""
    decoder = json.JSONDecoder()
    place = text.find("{")
    while place != -1:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        yield from (inner for inner in value.values() if isinstance(inner, dict))
        yield value
        place = text.find("{", end)


@dataclass(frozen=True)
class Facts:
    """What is known without the judge."""

    nothing_happened: bool = False
    """No file changed and no command ran since the task began."""
    coder_failure: str = ""
    """A sentence when the coder's turn failed; empty when it ended of its own accord."""
    verify_failure: str = ""
    """A sentence when a verify command did not exit with 0."""
    unjudged: str = ""
    """A sentence when no valid verdict was to be had."""


def refusals(verdict: Verdict | None, facts: Facts) -> list[str]:
    """Why the work is not accepted, a sentence each; empty means accepted.

    Accepted = the gates and verify hold, and a verdict that is complete, not blocked, with nothing missing,
    at least one requirement and every one met with evidence. A contradiction is not an acceptance.
    """
    found = [s for s in (facts.coder_failure, facts.verify_failure, facts.unjudged) if s]
    if facts.nothing_happened:
        found.append("Nothing was changed and nothing ran since the task began.")
    if verdict is None:
        return found or ["There is no verdict."]
    if verdict.blocked:
        found.append("The evaluator says that the task is blocked.")
    if not verdict.complete:
        found.append("The evaluator says that the task is not complete.")
        return found
    unmet = [r.text for r in verdict.requirements if not r.met]
    bare = [r.text for r in verdict.requirements if r.met and not r.evidence.strip()]
    if unmet:
        found.append(f"Called complete, but {len(unmet)} requirements are not met: {_list(unmet)}.")
    if bare:
        found.append(f"Called complete, but {len(bare)} requirements have no evidence: {_list(bare)}.")
    if not verdict.requirements:
        found.append("Called complete, but no requirement was examined.")
    if any(item.strip() for item in verdict.missing):
        found.append(f"Called complete, but something is missing: {_list(verdict.missing)}.")
    if verdict.score < LOWEST_COMPLETE_SCORE:
        found.append(f"Called complete, but with a score of {verdict.score:g}.")
    return found


def what_is_missing(verdict: Verdict | None) -> list[str]:
    """What the coder still owes by this verdict: its `missing`, and requirements that are unmet or unproven."""
    if verdict is None:
        return []
    items = [item.strip() for item in verdict.missing if item.strip()]
    items += [r.text for r in verdict.requirements if not r.met or not r.evidence.strip()]
    return list(dict.fromkeys(items))


def _list(items: Sequence[str]) -> str:
    shown = "; ".join(" ".join(item.split())[:100] for item in items[:3])
    return shown + (f" and {len(items) - 3} more" if len(items) > 3 else "")
