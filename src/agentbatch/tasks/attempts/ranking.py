"""Which of several attempts at a task is the best. Pure.

Completed before not completed; then what execution says: attempts that give the same in every check count together, and
such a group is worth its size times the checks that it passes (dual execution agreement: CodeT, arXiv 2207.10397); then
the judge's score; then what it cost.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agentbatch.runs.events import AttemptStanding, attempt_number
from agentbatch.tasks.evaluator.evaluator import CheckOutcome
from agentbatch.text import counted

MAX_TOLD = 3
"""Attempts of which the sentence says what is wrong with them."""


@dataclass(frozen=True)
class Candidate:
    """An attempt that is over."""

    attempt: str
    """Its id."""
    completed: bool
    tried: tuple[CheckOutcome, ...] = ()
    """The checks of all attempts on its work, in the same order for each; empty: there was nothing to try it for."""
    score: float = 0.0
    """The judge's, of its latest evaluation."""
    hidden: bool | None = None
    """What its `hidden_verify` says: for people, it decides nothing."""
    cost: float | None = None
    """US dollars; None: unknown."""
    tokens: int | None = 0
    """None: of a part of them nobody told."""
    cancelled: bool = False
    """It has come to no end of its own."""
    problem: str = ""
    """Why it cannot be taken, as part of a sentence."""


def standings(candidates: Sequence[Candidate]) -> list[AttemptStanding]:
    """Of all, the best first."""
    told = _telling(candidates)
    groups = Counter(_behaviour(one) for one in told)
    found = [
        AttemptStanding(
            attempt=one.attempt,
            completed=one.completed,
            passed=sum(check.passed is True for check in one.tried),
            checks=len(one.tried),
            alike=groups[_behaviour(one)],
            score=one.score,
            hidden=one.hidden,
            cost=one.cost,
            tokens=one.tokens,
            problem=one.problem,
        )
        for one in told
    ]
    cut_off = {one.attempt for one in candidates if one.cancelled}
    return sorted(found, key=lambda one: _order(one, one.attempt in cut_off))


def _telling(candidates: Sequence[Candidate]) -> list[Candidate]:
    """With the checks alone of which something can be told on some attempt."""
    lengths = {len(one.tried) for one in candidates if one.tried}
    if len(lengths) != 1:
        return [replace(one, tried=()) for one in candidates]
    tried = [one for one in candidates if one.tried]
    kept = [
        place for place in range(lengths.pop()) if any(one.tried[place].passed is not None for one in tried)
    ]
    return [
        replace(one, tried=tuple(one.tried[place] for place in kept) if one.tried else ())
        for one in candidates
    ]


def _behaviour(one: Candidate) -> tuple[object, ...]:
    """Equal where two attempts cannot be told apart by what they gave; one that was not tried is like no other."""
    return tuple((check.passed, check.gave) for check in one.tried) or (one.attempt,)


def _order(one: AttemptStanding, cut_off: bool) -> tuple[object, ...]:
    cost = (one.cost is None, one.cost or 0.0, one.tokens is None, one.tokens or 0)
    return (
        not one.completed,
        cut_off,
        -one.alike * one.passed,
        -one.passed,
        -one.score,
        cost,
        attempt_number(one.attempt),
    )


def why(found: Sequence[AttemptStanding]) -> str:
    """Why the first of `standings` was taken, as a sentence."""
    if not found:
        return "No attempt was begun."
    best, *others = found
    name = f"attempt {attempt_number(best.attempt)}"
    if not others:
        return f"It was {name}, the only one."
    completed = [one for one in found if one.completed]
    if len(completed) == 1:
        return f"Only {name} of {len(found)} was completed.{_lost(found)}"
    rivals = [one for one in completed or found if one is not best]
    lead = (
        f"{len(completed)} of {len(found)} attempts were completed"
        if completed
        else "No attempt was completed"
    )
    checks = f"{name} passes {best.passed} of {counted(best.checks, 'check')}" if best.checks else name
    alike = (
        f", and {counted(best.alike - 1, 'other')} {'does' if best.alike == 2 else 'do'} the same"
        if best.alike > 1
        else ""
    )
    return f"{lead}; {checks}{alike}{_decided(best, rivals)}.{_lost(found)}"


def _lost(found: Sequence[AttemptStanding]) -> str:
    troubled = [one for one in found if one.problem]
    return "".join(f" Attempt {attempt_number(one.attempt)}: {one.problem}." for one in troubled[:MAX_TOLD])


def _decided(best: AttemptStanding, rivals: Sequence[AttemptStanding]) -> str:
    """What told it from the next, where the checks did not."""
    unlike = [one for one in rivals if (one.alike, one.passed) != (best.alike, best.passed)]
    if len(unlike) == len(rivals) and best.checks:
        return ""
    second = next(one for one in rivals if one not in unlike) if len(unlike) < len(rivals) else rivals[0]
    if best.score != second.score:
        return f"; the judge gave it {best.score:.2f}, against {second.score:.2f}"
    if best.cost is not None and second.cost is not None and best.cost != second.cost:
        return "; it cost least"
    known = best.tokens is not None and second.tokens is not None
    return "; it took the fewest tokens" if known and best.tokens != second.tokens else "; it was the first"
