"""Which of several attempts is taken, and the sentence that says why."""

from dataclasses import replace

import pytest

from agentbatch.tasks.attempts.ranking import Candidate, standings, why
from agentbatch.tasks.evaluator.evaluator import CheckOutcome


def one(
    number: int, marks: str = "", *, completed: bool = True, score: float = 0.0, tokens: int = 0
) -> Candidate:
    """`marks`: a sign a check: `+` passed, `?` nothing can be told, any other failed and gave just this."""
    words = {"+": (True, ""), "?": (None, "")}
    tried = tuple(
        CheckOutcome(str(place), *words.get(mark, (False, mark))) for place, mark in enumerate(marks)
    )
    return Candidate(f"t@{number}", completed, tried, score, None, None, tokens)


BOTH = "2 of 2 attempts were completed"
SAME = "and 1 other does the same"


@pytest.mark.parametrize(
    ("candidates", "best", "sentence"),
    [
        ([one(1)], 1, "It was attempt 1, the only one."),
        ([one(1, completed=False), one(2)], 2, "Only attempt 2 of 2 was completed."),
        # More checks.
        (
            [one(1, "+-"), one(2, "++")],
            2,
            f"{BOTH}; attempt 2 passes 2 of 2 checks.",
        ),
        # Two that are alike are worth more than one that passes a check more: 2 x 3 against 1 x 4.
        (
            [one(1, "++++-"), one(2, "+++aa"), one(3, "+++aa")],
            2,
            f"3 of 3 attempts were completed; attempt 2 passes 3 of 5 checks, {SAME}; it was the first.",
        ),
        # Those that fail alike, but not with the same value, are not alike.
        ([one(1, "++++-"), one(2, "+++aa"), one(3, "+++bb")], 1, ""),
        # Three that pass nothing are worth nothing.
        ([one(1, "--"), one(2, "--"), one(3, "+-")], 3, ""),
        # What can be told of no attempt is no check.
        (
            [one(1, "+?"), one(2, "+?")],
            1,
            f"{BOTH}; attempt 1 passes 1 of 1 check, {SAME}; it was the first.",
        ),
        (
            [one(1, "+", score=0.7), one(2, "+", score=0.9)],
            2,
            f"{BOTH}; attempt 2 passes 1 of 1 check, {SAME}; the judge gave it 0.90, against 0.70.",
        ),
        ([one(1, tokens=9), one(2, tokens=3)], 2, f"{BOTH}; attempt 2; it took the fewest tokens."),
        (
            [one(1, completed=False, tokens=3), one(2, completed=False, score=0.5)],
            2,
            "No attempt was completed; attempt 2; the judge gave it 0.50, against 0.00.",
        ),
        # One whose work could not be tried is no rival to those whose could.
        ([one(1), one(2, "+-")], 2, ""),
    ],
)
def test_the_best(candidates: list[Candidate], best: int, sentence: str) -> None:
    found = standings(candidates)
    assert found[0].attempt == f"t@{best}"
    assert not sentence or why(found) == sentence


def test_one_that_was_cut_off_is_no_better_than_one_that_came_to_its_end() -> None:
    found = standings(
        [replace(one(1, completed=False, tokens=3), cancelled=True), one(2, completed=False, tokens=9)]
    )
    assert [each.attempt for each in found] == ["t@2", "t@1"]


def test_what_is_wrong_with_one_is_said() -> None:
    found = standings([replace(one(1, completed=False), problem="it is gone"), one(2)])
    assert why(found) == "Only attempt 2 of 2 was completed. Attempt 1: it is gone."


def test_nothing_that_was_begun() -> None:
    assert (standings([]), why([])) == ([], "No attempt was begun.")


def test_lists_of_checks_that_differ_say_nothing() -> None:
    found = standings([one(1, "+-"), one(2, "+++")])
    assert [(each.attempt, each.checks) for each in found] == [("t@1", 0), ("t@2", 0)]
