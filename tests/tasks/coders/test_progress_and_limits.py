import pytest

from agentbatch.tasks.coders.builtin.definition import CoderLimits
from agentbatch.tasks.coders.builtin.turn_limits import TurnSpending, exceeded, near
from agentbatch.tasks.evaluator.controller import TaskPosition, times_seen_in_a_row


def test_positions() -> None:
    a, b = TaskPosition.of("1", ["X  y", "z"]), TaskPosition.of("1", ["z", "x Y"])
    c = TaskPosition.of("2", ["z", "x y"])
    assert a == b != c
    assert [times_seen_in_a_row(h) for h in ([], [a], [a, b], [a, c, b], [c, a, b, a])] == [0, 1, 2, 1, 3]


LIMITS = CoderLimits(steps=40, tokens=1000, cost=2.0)


@pytest.mark.parametrize(
    ("spent", "limit", "notice"),
    [
        (TurnSpending(steps=1), None, ""),
        (TurnSpending(steps=34), None, ""),
        (TurnSpending(steps=35), None, "You have 5 steps left in this turn."),
        (TurnSpending(steps=39), None, "You have 1 step left in this turn."),
        (TurnSpending(steps=40), "step_limit", "0 steps"),
        (TurnSpending(steps=1, tokens=900), None, "900 of 1,000 tokens"),
        (TurnSpending(steps=1, tokens=1000), "token_limit", "tokens"),
        (TurnSpending(steps=1, cost=1.9), None, "$1.90 of $2.00"),
        (TurnSpending(steps=1, cost=2.0), "cost_limit", "$2.00"),
        (TurnSpending(steps=1, cost=None), None, ""),
        (TurnSpending(steps=1, task_seconds=95), None, "About 5 seconds are left"),
    ],
)
def test_turn_limits(spent: TurnSpending, limit: str | None, notice: str) -> None:
    assert exceeded(LIMITS, spent) == limit
    told = near(LIMITS, spent, task_timeout=100)
    assert notice in told
    assert bool(told) == bool(notice)


def test_short_turns_are_not_warned_from_the_start() -> None:
    limits = CoderLimits(steps=4)
    assert [bool(near(limits, TurnSpending(steps=n), None)) for n in range(5)] == [
        False,
        False,
        False,
        True,
        True,
    ]
