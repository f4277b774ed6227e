"""When an endpoint counts as gone."""

import pytest

from agentbatch.spending.failure_limit import Outage


@pytest.mark.parametrize(
    ("answered", "stops"),
    [
        ([0, 0, 0], [False, False, True]),
        ([5, 5, 5, 5], [False, False, True, True]),
        ([1, 1, 2, 2, 2], [False, False, False, False, True]),
        ([1, 2, 3, 4, 5], [False] * 5),
    ],
)
def test_three_in_a_row_without_an_answer_in_between(answered: list[int], stops: list[bool]) -> None:
    outage = Outage(3, "task")
    assert [bool(outage.unanswered(number)) for number in answered] == stops


def test_refusals_in_a_row_are_told_as_such() -> None:
    outage = Outage(3, "task")
    told = [outage.unanswered(answered, refused=True) for answered in (0, 5, 5, 5)]
    assert told == [
        "",
        "",
        "",
        "The endpoint refuses: 3 tasks in a row were refused, and none was answered in between.",
    ]
