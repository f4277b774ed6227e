"""Checks in words, the same on every screen: what kind one is, how many of which kind passed. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agentbatch.runs import events as e
from agentbatch.text import clip

KIND_WORDS: dict[e.CheckKind, str] = {
    "verify": "verify",
    "sound": "check of the form",
    "example": "example of the task",
    "tests": "the project's tests",
    "own": "check of our own",
    "steady": "check for steadiness",
    "look": "run by the evaluator",
}
"""What a check is, where its command follows."""

DOING: dict[e.CheckKind, str] = {
    "verify": "verify",
    "sound": "checking files",
    "example": "checking examples",
    "tests": "running tests",
    "own": "own checks",
    "steady": "checking again",
    "look": "looking",
}
"""While one runs, where there is little room."""

_COUNTED: dict[e.CheckKind, tuple[str, str]] = {
    "verify": ("verify", "verify"),
    "sound": ("sound", "sound"),
    "example": ("example", "examples"),
    "tests": ("test run", "test runs"),
    "own": ("own", "own"),
    "steady": ("steady", "steady"),
    "look": ("look", "looks"),
}
"""After their number: of one, of several."""


class Tally(NamedTuple):
    """The checks of one kind in one evaluation."""

    kind: e.CheckKind
    passed: int
    failed: int

    def words(self, passed: str, failed: str, between: str = ", ") -> str:
        """`2 examples passed`; `5 own: 4 passed, 1 failed`. With these words, or signs, for how they ended."""
        total = self.passed + self.failed
        named = f"{total} {_COUNTED[self.kind][total > 1]}"
        if self.passed and self.failed:
            return f"{named}: {self.passed} {passed}{between}{self.failed} {failed}"
        return f"{named} {passed if self.passed else failed}"


def tallies(checks: Iterable[e.CheckLine]) -> list[Tally]:
    """By kind, in the order in which the kinds first ran."""
    counts: dict[e.CheckKind, tuple[int, int]] = {}
    for check in checks:
        passed, failed = counts.get(check.kind, (0, 0))
        counts[check.kind] = (passed + check.passed, failed + (not check.passed))
    return [Tally(kind, *count) for kind, count in counts.items()]


def counted_checks(checks: Iterable[e.CheckLine]) -> str:
    """`3 sound passed; 1 example failed`; empty: none ran."""
    return "; ".join(tally.words("passed", "failed") for tally in tallies(checks))


def decided_by(who: e.DecidedBy, checks: Iterable[e.CheckLine]) -> str:
    """Who decided, in words: of a check that failed, which kind it is."""
    if who == "checks":
        failed = next((check.kind for check in checks if not check.passed and not check.note), None)
        return f"failed: {KIND_WORDS[failed]}" if failed else "a check that failed"
    return {"judge": "evaluator", "verify": "its own checks", "gates": "no evaluator was asked"}[who]


def check_name(kind: e.CheckKind, command: str, requirement: str = "") -> str:
    """One check as the end of a line, without its kind: what it is for where the command is a script of ours."""
    return clip(requirement if kind == "own" and requirement else command, 300)


def check_text(check: e.CheckLine) -> str:
    """`example of the task: f(2) == 4`, with what became of it."""
    note = f" ({clip(check.note, 300)})" if check.note else ""
    return f"{KIND_WORDS[check.kind]}: {check_name(check.kind, check.command, check.requirement)}{note}"


def worth_a_line(checks: Sequence[e.CheckLine]) -> list[e.CheckLine]:
    """Those that failed, or of which something became."""
    return [check for check in checks if not check.passed or check.note]
