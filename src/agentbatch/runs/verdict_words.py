"""A judge's verdict in words, the same on every screen: what is met, and the quotes that show it. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agentbatch.text import clip

MAX_ITEMS = 60
"""Requirements that are shown of one verdict."""
MAX_PROOFS = 8
"""Quotes of one requirement."""
MAX_PLACE = 80
"""Cells of what is said of the place of a quote."""

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


class Required(NamedTuple):
    text: str
    met: bool
    proofs: list[Proof]


def required(verdict: Mapping[str, Any] | None) -> list[Required]:
    """The requirements of a stored verdict of any age, in order."""
    found = []
    for one in _listed((verdict or {}).get("requirements"), MAX_ITEMS):
        if isinstance(one, Mapping):
            met = one.get("met") is True
            found.append(Required(str(one.get("text", "")), met, _proofs(one.get("evidence"), met)))
    return found


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
