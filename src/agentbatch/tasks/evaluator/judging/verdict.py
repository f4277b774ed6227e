"""The evaluator's structured answer: its strict form, and what it is worth. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from agentbatch.tasks.results.verdict import Quote, Verdict
from agentbatch.text import counted

LOWEST_COMPLETE_SCORE = 0.5
"""A verdict that says "complete" below this score contradicts itself."""

MAX_FOLLOW_UP = 2000
"""Characters sent on to the coder; the prompt asks for at most 200 words."""


NOT_SHOWN = "not shown yet: run it, so that it can be seen"
"""What the coder is told of a requirement that is called met without evidence that holds."""

MAX_NAMED = 5
"""Quotes that do not hold, in the reasons of one refusal."""

MAX_WEAK_QUOTES = 2
"""Quotes for one requirement."""
MAX_WEAK_ITEMS = 8
"""Requirements, and missing things, of a weak judge. (Lengths of strings would blow llama.cpp's grammar up.)"""


def verdict_schema(
    refs: Sequence[str], rulings: Sequence[str] = (), *, weak_model: bool = False
) -> tuple[str, dict[str, Any]]:
    """Name and JSON schema for endpoints that can constrain their output: flat, all required, closed. Of `refs`, the
    pieces of evidence that there are, evidence can name no other.

    `rulings`: the checks of our own that failed, of which the verdict is to say whether they are wrong. `weak_model`
    bounds the lists, so that one that has begun to repeat itself comes to an end. A requirement's evidence comes before
    the word on it: what is written first is what the rest follows from.
    """
    most = {"maxItems": MAX_WEAK_ITEMS} if weak_model else {}
    few = {"maxItems": MAX_WEAK_QUOTES} if weak_model else {}
    text = {"type": "string"}
    quote = _closed({"ref": {"type": "string", "enum": list(refs) or ["-"]}, "quote": text})
    requirement = _closed(
        {"text": text, "evidence": {"type": "array", "items": quote, **few}, "met": {"type": "boolean"}}
    )
    properties: dict[str, Any] = {
        "requirements": {"type": "array", "items": requirement, **most},
        "missing": {"type": "array", "items": text, **most},
        "complete": {"type": "boolean"},
        "blocked": {"type": "boolean"},
        "score": {"type": "number"},
        "follow_up_prompt": text,
    }
    if rulings:
        ruling = _closed(
            {
                "ref": {"type": "string", "enum": list(rulings)},
                "wrong": {"type": "boolean"},
                "why": text,
                "mended": text,
            }
        )
        properties["checks"] = {"type": "array", "items": ruling, **most}
    return "verdict", _closed(properties)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def redacted(verdict: Verdict, redact: Callable[[str], str]) -> Verdict:
    """The verdict with every text of it cleaned. After parsing: a key may be a word that JSON needs."""
    requirements = [
        requirement.model_copy(
            update={
                "text": redact(requirement.text),
                "evidence": [
                    quote.model_copy(update={"ref": redact(quote.ref), "quote": redact(quote.quote)})
                    for quote in requirement.evidence
                ],
            }
        )
        for requirement in verdict.requirements
    ]
    changes = {
        "requirements": requirements,
        "missing": [redact(item) for item in verdict.missing],
        "follow_up_prompt": redact(verdict.follow_up_prompt),
        "checks": [
            ruling.model_copy(
                update={name: redact(getattr(ruling, name)) for name in ("ref", "why", "mended")}
            )
            for ruling in verdict.checks
        ],
    }
    return verdict.model_copy(update=changes)


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
    ungrounded: tuple[str, ...] = ()
    """Quotes of the verdict that do not hold, a sentence each."""
    misquoted: bool = False
    """All of these are the judge's own fault: the work can do nothing about them."""
    unshown: tuple[str, ...] = ()
    """Requirements that it calls met, and that no quote shows."""
    unproven: tuple[str, ...] = ()
    """What else speaks against a verdict that is complete, a sentence each: something was not run, or not seen."""
    checks_decide: bool = False
    """The run has no evaluator, and the task's own checks ran, or a small judge could add nothing to what checks show:
    they decide, with the gates."""


def refusals(verdict: Verdict | None, facts: Facts) -> list[str]:
    """Why the work is not accepted, a sentence each; empty means accepted.

    Accepted = the gates and verify hold, and a verdict that is complete, not blocked, with nothing missing,
    at least one requirement and every one met with evidence that holds (grounding.py). A contradiction is not an
    acceptance. Where the checks decide there is no verdict, and the gates and verify are all.
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
    bare = [r.text for r in verdict.requirements if r.met and not r.evidence]
    if unmet:
        found.append(f"Called complete, but {_counted(unmet, 'is', 'are')} not met: {_list(unmet)}.")
    if bare:
        found.append(f"Called complete, but {_counted(bare, 'has', 'have')} no evidence: {_list(bare)}.")
    if not verdict.requirements:
        found.append("Called complete, but no requirement was examined.")
    if any(item.strip() for item in verdict.missing):
        found.append(f"Called complete, but something is missing: {_list(verdict.missing)}.")
    if verdict.score < LOWEST_COMPLETE_SCORE:
        found.append(f"Called complete, but with a score of {verdict.score:g}.")
    return [*found, *facts.ungrounded[:MAX_NAMED], *facts.unproven]


def judges_fault(verdict: Verdict | None, facts: Facts) -> str:
    """Why this is no verdict on the work, where nothing speaks against it but that the judge quotes badly; empty: it is
    one. That is a failure of the evaluator's, not of the coder's."""
    if verdict is None or not facts.misquoted:
        return ""
    shown = [
        r.model_copy(update={"met": True, "evidence": r.evidence or [Quote(quote=r.text)]})
        if r.text in facts.unshown
        else r
        for r in verdict.requirements
    ]
    held = verdict.model_copy(update={"requirements": shown})
    if refusals(held, replace(facts, ungrounded=())):
        return ""
    return " ".join(("The evaluator's quotes did not hold.", *facts.ungrounded[:MAX_NAMED]))


def what_is_missing(verdict: Verdict | None, facts: Facts | None = None) -> list[str]:
    """What the coder still owes by this verdict: its `missing`, requirements that are unmet or unproven, and of one
    that is complete what speaks against it all the same. What is only not shown is not to be done again."""
    if verdict is None:
        return []
    facts = facts or Facts()
    items = [item.strip() for item in verdict.missing if item.strip()]
    items += [
        f"{r.text} ({NOT_SHOWN})" if r.text in facts.unshown else r.text
        for r in verdict.requirements
        if not r.met or not r.evidence
    ]
    items += facts.unproven if verdict.complete else ()
    return list(dict.fromkeys(items))


def _counted(items: Sequence[str], one: str, many: str) -> str:
    return f"{counted(len(items), 'requirement')} {one if len(items) == 1 else many}"


def _list(items: Sequence[str]) -> str:
    shown = "; ".join(" ".join(item.split())[:100] for item in items[:3])
    return shown + (f" and {len(items) - 3} more" if len(items) > 3 else "")
