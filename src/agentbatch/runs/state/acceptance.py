"""By what a task's work was accepted: `completed` is worth as much as what stood behind it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from agentbatch.runs import events as e
from agentbatch.runs.verdict_words import required

AcceptedBy = Literal["verify", "checks", "commands", "reading"]
"""The best of it: the task's own `verify`; another check that ran the work; the output of a command that the judge
quotes; nothing but what it read."""

WORDS: dict[AcceptedBy, str] = {
    "verify": "by verify",
    "checks": "by checks",
    "commands": "by a command's output",
    "reading": "by reading only",
}
"""Behind `accepted`, or a number of tasks."""

_RUN_THE_WORK: frozenset[e.CheckKind] = frozenset(("example", "tests", "own"))
"""Of the others, some look at files only, and some only repeat."""

_RUN_REFS = frozenset("CR")
"""What a ref begins with whose piece is the output of a command, or of what the judge did."""

READ = ": read_file "
"""In the place of a quote: the judge has not run but read something."""


def accepted_by(verdict: Mapping[str, Any] | None, checks: Iterable[e.CheckLine]) -> AcceptedBy | None:
    """Of an evaluation that accepted. None: a record of before there were checks and quotes."""
    lines = list(checks)
    passed = {check.kind for check in lines if check.passed}
    if "verify" in passed:
        return "verify"
    if passed & _RUN_THE_WORK:
        return "checks"
    places = [proof.place for one in required(verdict) if one.met for proof in one.proofs]
    found = [place for place in places if place.startswith("[")]
    if any(place[1] in _RUN_REFS and READ not in place for place in found):
        return "commands"
    return "reading" if found or lines else None


def accepted_words(verdict: Mapping[str, Any] | None, checks: Iterable[e.CheckLine]) -> str:
    """`accepted by checks`; `accepted` where it is not known by what."""
    by = accepted_by(verdict, checks)
    return f"accepted {WORDS[by]}" if by else "accepted"


def tasks_accepted(found: Iterable[AcceptedBy | None]) -> str:
    """`8 by verify · 1 by reading only`; empty: nothing is known of any."""
    known = list(found)
    return " · ".join(f"{known.count(by):,} {words}" for by, words in WORDS.items() if by in known)
