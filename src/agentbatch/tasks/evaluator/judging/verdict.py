"""The evaluator's structured answer: its strict form, reading it out of a reply, and what it is worth."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agentbatch.problems import first_problem
from agentbatch.tasks.results.shape import Requirement, Verdict

LOWEST_COMPLETE_SCORE = 0.5
"""A verdict that says "complete" below this score contradicts itself."""

MAX_FOLLOW_UP = 2000
"""Characters sent on to the coder; the prompt asks for at most 200 words."""


MAX_WEAK_ITEMS = 8
"""Requirements, and missing things, of a weak judge. (Lengths of strings would blow llama.cpp's grammar up.)"""


def verdict_schema(*, weak_model: bool = False) -> tuple[str, dict[str, Any]]:
    """Name and JSON schema for endpoints that can constrain their output: flat, all required, closed.

    `weak_model` bounds the lists, so that one that has begun to repeat itself comes to an end.
    """
    most = {"maxItems": MAX_WEAK_ITEMS} if weak_model else {}
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
        "requirements": {"type": "array", "items": requirement, **most},
        "missing": {"type": "array", "items": {"type": "string"}, **most},
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


def redacted(verdict: Verdict, redact: Callable[[str], str]) -> Verdict:
    """The verdict with every text of it cleaned. After parsing: a key may be a word that JSON needs."""
    requirements = [
        Requirement(text=redact(r.text), met=r.met, evidence=redact(r.evidence)) for r in verdict.requirements
    ]
    changes = {
        "requirements": requirements,
        "missing": [redact(item) for item in verdict.missing],
        "follow_up_prompt": redact(verdict.follow_up_prompt),
    }
    return verdict.model_copy(update=changes)


class NoVerdict(ValueError):
    """The reply holds no valid verdict; the text says what is wrong, for the judge to mend."""


def parse_verdict(content: str) -> Verdict:
    """The verdict in which the reply ends. Raises NoVerdict.

    Prose or thoughts may stand before it, nothing after it: a judge quotes what it judges, so a verdict somewhere in
    the text need not be the judge's own. For the same reason two that disagree, and a broken one, count as none.
    """
    text = _without_thoughts(content)
    objects, between, after = _top_level_objects(text)
    if not objects:
        raise NoVerdict("there is no JSON object in it")
    if after.strip(" \t\r\n`])."):
        raise NoVerdict("something follows the JSON object")
    if '"complete"' in between:
        raise NoVerdict("a JSON object in it is broken")
    *others, last = (_unwrapped(found) for found in objects)
    try:
        verdict = Verdict.model_validate(last)
    except ValidationError as error:
        problem = first_problem(error)
        raise NoVerdict(f"{problem.name}: {problem.message}") from None
    if any(other.get("complete", verdict.complete) != verdict.complete for other in others):
        raise NoVerdict("two verdicts in it disagree")
    return verdict


def _without_thoughts(content: str) -> str:
    """The reply without the thinking in front of it; some servers swallow the opening tag."""
    text = content.strip()
    opened = re.match(r"<(think|thinking)>.*?</\1>", text, flags=re.DOTALL)
    if opened:
        return text[opened.end() :]
    if not text.startswith(("{", "`")):
        closing = list(re.finditer(r"</think(?:ing)?>", text))
        return text[closing[-1].end() :] if closing and "{" in text[closing[-1].end() :] else text
    return text


def _top_level_objects(text: str) -> tuple[list[dict[str, Any]], str, str]:
    """Every outermost JSON object in the text, in order; the text before and between them; the text after."""
    decoder = json.JSONDecoder()
    found: list[dict[str, Any]] = []
    between = ""
    start, place = 0, text.find("{")
    while place != -1:
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place = text.find("{", place + 1)
            continue
        between += text[start:place]
        found.append(value)
        start, place = end, text.find("{", end)
    return found, between, text[start:]


def _unwrapped(found: dict[str, Any]) -> dict[str, Any]:
    """`{"verdict": {...}}` is the verdict in it."""
    inner = next(iter(found.values()), None)
    return inner if len(found) == 1 and isinstance(inner, dict) else found


@dataclass(frozen=True)
class Facts:
    """What is known without the judge."""

    nothing_happened: bool = False
    """No file changed and no command ran since the task began."""
    coder_failure: str = ""
    """A sentence when the coder's turn failed; empty when it ended of its own accord."""
    verify_failure: str = ""
    """A sentence when a verify command did not exit with 0."""
    own_failure: str = ""
    """A sentence when a check of the evaluator's own failed, and counts."""
    unjudged: str = ""
    """A sentence when there is no valid verdict."""
    checks_decide: bool = False
    """The run has no evaluator, and the task's own checks ran: they decide, with the gates."""


def refusals(verdict: Verdict | None, facts: Facts) -> list[str]:
    """Why the work is not accepted, a sentence each; empty means accepted.

    Accepted = the gates and verify hold, and a verdict that is complete, not blocked, with nothing missing,
    at least one requirement and every one met with evidence. A contradiction is not an acceptance. Where the checks
    decide there is no verdict, and the gates and verify are all.
    """
    found = [s for s in (facts.coder_failure, facts.verify_failure, facts.own_failure, facts.unjudged) if s]
    if facts.nothing_happened:
        found.append("Nothing was changed and nothing ran since the task began.")
    if verdict is None:
        return found or ([] if facts.checks_decide else ["There is no verdict."])
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
