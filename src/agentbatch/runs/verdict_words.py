"""A judge's verdict in words, the same on every screen: what is met, and the quotes that show it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.runs.check_words import failed_first
from agentbatch.runs.events import CheckLine
from agentbatch.text import clip

MAX_ITEMS = 60
"""Requirements that are shown of one verdict."""
MAX_PROOFS = 8
"""Quotes of one requirement."""
MAX_PLACE = 80
"""Cells of what is said of the place of a quote."""

MAX_LACKING = 200
"""Cells of what is said of one thing that is missing, where it stands for all."""

NOT_FOUND = "not found in the evidence"


class Proof(NamedTuple):
    """What a judge gives for a requirement: its own words, or a quote and where it stands."""

    words: str
    """As they came: foreign text."""
    place: str = ""
    """`[C2] command, exit 0: python3 prog.py`; empty: they are the judge's own words, or of a run before quotes were
    looked up."""

    @property
    def text(self) -> str:
        return f'"{self.words}" {self.place}' if self.place else self.words


class RequirementLine(NamedTuple):
    text: str
    met: bool
    proofs: list[Proof]


def required(verdict: Mapping[str, Any] | None) -> list[RequirementLine]:
    """The requirements of a stored verdict of any age, in order."""
    found = []
    for one in _listed((verdict or {}).get("requirements"), MAX_ITEMS):
        if isinstance(one, Mapping):
            met = one.get("met") is True
            found.append(RequirementLine(str(one.get("text", "")), met, _proofs(one.get("evidence"), met)))
    return found


def missing(verdict: Mapping[str, Any] | None) -> list[str]:
    """What the judge misses, in its own words; empty: it says nothing of the kind."""
    listed = _listed((verdict or {}).get("missing"), MAX_ITEMS)
    found = (text.strip() for text in listed if isinstance(text, str))
    return list(dict.fromkeys(filter(None, found)))


def why_not(verdict: Mapping[str, Any] | None, checks: Iterable[CheckLine], refusals: Sequence[str]) -> str:
    """Why work was not accepted, the most telling first: the check that failed and what it said, what the judge misses,
    else the first of the refusals. `verify failed: 1 test failed`; `not complete: no tests and 2 more`."""
    blocked = bool((verdict or {}).get("blocked"))
    if not blocked and (failed := failed_first(checks)):
        return failed
    lacking = missing(verdict) or [one.text for one in required(verdict) if not one.met]
    if verdict is None or not lacking or not (blocked or verdict.get("complete") is False):
        return next(filter(str.strip, refusals), "")
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    return f"{'blocked' if blocked else 'not complete'}: {clip(lacking[0], MAX_LACKING)}{more}"


def _proofs(evidence: object, met: bool) -> list[Proof]:
    if isinstance(evidence, str):
        return [Proof(evidence)] if evidence.strip() else []
    quotes = [quote for quote in _listed(evidence, MAX_PROOFS) if isinstance(quote, Mapping)]
    return [Proof(str(quote.get("quote", "")), _place(quote, met)) for quote in quotes]


def _place(quote: Mapping[str, Any], met: bool) -> str:
    """Why something is not met a judge says in its own words: they need not stand anywhere."""
    where = clip(str(quote.get("where") or ""), MAX_PLACE)
    if where:
        return f"[{clip(str(quote.get('ref', '')), 12)}] {where}"
    return f"({NOT_FOUND})" if met else ""


def _listed(items: object, most: int) -> list[Any]:
    return list(items[:most]) if isinstance(items, list | tuple) else []
