"""Checks in words, the same on every screen: what kind one is, how many of which kind passed. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agentbatch.patterns import regex
from agentbatch.runs import events as e
from agentbatch.text import clip, counted, duration, harmless

KIND_WORDS: dict[e.CheckKind, str] = {
    "verify": "verify",
    "sound": "check of the form",
    "example": "example of the task",
    "tests": "the project's tests",
    "own": "evaluator's check",
    "steady": "check for steadiness",
    "load": "loading what nothing ran",
    "look": "run by the evaluator",
    "setup": "setup",
    "teardown": "teardown",
}
"""What kind one is."""

DOING: dict[e.CheckKind, str] = {
    "verify": "verify",
    "sound": "checking files",
    "example": "checking examples",
    "tests": "running tests",
    "own": "running checks",
    "steady": "checking again",
    "load": "loading",
    "look": "looking",
    "setup": "setting up",
    "teardown": "tearing down",
}
"""While one runs, where there is little room."""

_COUNTED: dict[e.CheckKind, str] = {
    "verify": "verify",
    "sound": "form",
    "example": "examples",
    "tests": "project's tests",
    "own": "evaluator's check",
    "steady": "steadiness",
    "load": "load",
    "look": "looks",
    "setup": "setup",
    "teardown": "teardown",
}
"""Before how they ended, with their number in front of it where there are several."""

_SAID_BY_COMMAND: frozenset[e.CheckKind] = frozenset(("sound", "example", "steady", "load"))
"""Kinds of which `command` is a name in words."""


_NAMED_ERROR = regex(r"(?:E )?[\w.]{0,100}(?:Error|Exception)\b")
"""As Python and JavaScript name it, also where pytest does. What follows it, e.g. a difference, tells less."""

IN_LIST = 120
"""Cells of a check's name where it stands among others."""


class Tally(NamedTuple):
    """The checks of one kind in one evaluation."""

    kind: e.CheckKind
    passed: int
    failed: int
    void: int = 0
    """Failed, and that does not speak against the work."""

    def words(self, passed: str, failed: str, void: str, between: str = ", ") -> str:
        """`form passed`; `5 evaluator's checks: 4 passed, 1 failed`. With these words, or signs, for how they ended."""
        total = self.passed + self.failed + self.void
        if self.kind == "look":
            return f"{counted(total, 'look')} by the evaluator"
        named = _COUNTED[self.kind]
        if total > 1:
            named = counted(total, named) if self.kind == "own" else f"{total} {named}"
        ends = [(n, end) for n, end in ((self.passed, passed), (self.failed, failed), (self.void, void)) if n]
        if len(ends) == 1:
            return f"{named} {ends[0][1]}"
        return f"{named}: {between.join(f'{number} {end}' for number, end in ends)}"


def tallies(checks: Iterable[e.CheckLine]) -> list[Tally]:
    """By kind, in the order in which the kinds first ran."""
    found: dict[e.CheckKind, Tally] = {}
    for check in checks:
        tally = found.get(check.kind, Tally(check.kind, 0, 0))
        where = "passed" if check.passed else "failed" if check.counts else "void"
        found[check.kind] = tally._replace(**{where: getattr(tally, where) + 1})
    return list(found.values())


def counted_checks(checks: Iterable[e.CheckLine]) -> str:
    """`form passed; 3 evaluator's checks: 2 passed, 1 failed`; empty: none ran."""
    return "; ".join(tally.words("passed", "failed", "not counted") for tally in tallies(checks))


def decided_by(who: e.DecidedBy, checks: Iterable[e.CheckLine]) -> str:
    """Who decided, in words: of a check that failed, which kind it is."""
    if who == "checks":
        failed = next((check.kind for check in checks if not check.passed and check.counts), None)
        return f"failed: {KIND_WORDS[failed]}" if failed else "a check that failed"
    return {"judge": "evaluator", "verify": "verify", "gates": "no evaluator was asked"}[who]


def check_prefix(kind: e.CheckKind) -> str:
    """What stands before `check_name`."""
    return "check" if kind in _SAID_BY_COMMAND else KIND_WORDS[kind]


def check_name(kind: e.CheckKind, command: str, requirement: str = "", cells: int = 300) -> str:
    """One check as the end of a line: its command, or what a script of the evaluator's is for."""
    return clip(requirement if kind == "own" and requirement else command, cells)


def check_text(check: e.CheckLine) -> str:
    """`verify: make test`, with what became of it."""
    note = f" ({clip(check.note, 300)})" if check.note else ""
    return f"{check_prefix(check.kind)}: {check_name(check.kind, check.command, check.requirement, IN_LIST)}{note}"


def check_end(kind: e.CheckKind, exit_code: int | None, seconds: float) -> str:
    """How it ended: `exit 1 0.3s` of a command that a person knows, else `failed 0.3s`."""
    took = f"{seconds:.1f}s" if seconds < 100 else duration(seconds)
    if exit_code is None:
        return f"out of time {took}"
    if kind in ("verify", "tests", "look", "setup", "teardown"):
        return f"exit {exit_code} {took}"
    return f"{'failed' if exit_code else 'passed'} {took}"


def last_said(tail: str) -> str:
    """The last line of an output that says something: the last error that is named; one of signs alone (`^^^`) only
    where there is no other."""
    lines = [line for line in map(harmless, reversed(tail[-10_000:].splitlines())) if line]
    telling = [line for line in lines if any(map(str.isalnum, line))]
    return next(filter(_NAMED_ERROR.match, telling), next(iter(telling or lines), ""))


def failed_first(checks: Iterable[e.CheckLine]) -> str:
    """The first check that failed and counts: `verify failed: 1 test failed`; empty: none did."""
    for check in checks:
        if not check.passed and check.counts:
            name = check_name(check.kind, check.command, check.requirement, IN_LIST)
            known_by_command = check.kind in ("verify", "tests")
            parts = [
                f"{KIND_WORDS[check.kind]} failed",
                "" if known_by_command and check.said else name,
                check.said,
            ]
            return ": ".join(filter(None, parts))
    return ""


def worth_a_line(checks: Sequence[e.CheckLine]) -> list[e.CheckLine]:
    """Those that failed, or of which something became, and what the evaluator looked at itself."""
    return [check for check in checks if not check.passed or check.note or check.kind == "look"]


def said_by(refusal: str, checks: Iterable[e.CheckLine]) -> bool:
    """The refusal says no more than that one of the checks, a command, has failed."""
    failed = [
        check.command for check in checks if not check.passed and check.kind in ("verify", "tests", "load")
    ]
    return any(refusal.startswith(f"The check `{command}` failed: ") for command in failed)


def end_word(check: e.CheckLine) -> str:
    """`passed`, `failed`, `not counted`; empty for what was only looked at."""
    if check.kind == "look":
        return ""
    return "passed" if check.passed else "failed" if check.counts else "not counted"
