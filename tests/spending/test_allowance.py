"""What fits into an allowance, what has to wait, what is refused: tables."""

import pytest

from agentbatch.spending.allowance import Allowance, Amount

NAME = "some-model"


@pytest.mark.parametrize(
    ("allowance", "call", "said"),
    [
        (Allowance("run"), Amount(10**9, None), ""),
        (Allowance("run", max_cost=1.0), Amount(10**9, 1.0), ""),
        (Allowance("run", max_cost=1.0, spent_cost=0.5), Amount(0, 0.5), ""),
        (
            Allowance("run", max_cost=1.0, spent_cost=0.9972),
            Amount(0, 0.01),
            "The run's budget of $1.00 is used up ($0.9972 spent; the next call takes about $0.0100).",
        ),
        (
            Allowance("run", max_cost=1.0, spent_cost=1.25),
            Amount(0, 0.01),
            "The run's budget of $1.00 is used up ($1.25 spent).",
        ),
        (
            Allowance("run", max_cost=1.0, spent_cost=1.0),
            Amount(0, 0.0),
            "The run's budget of $1.00 is used up ($1.00 spent).",
        ),
        (Allowance("task", max_tokens=20_000, spent_tokens=15_000), Amount(5_000, None), ""),
        (
            Allowance("task", max_tokens=20_000, spent_tokens=15_000),
            Amount(5_001, None),
            "The task's budget of 20,000 tokens is used up (15,000 used; the next call takes about 5,001).",
        ),
        (
            Allowance("task", max_tokens=20_000, spent_tokens=20_100),
            Amount(0, None),
            "The task's budget of 20,000 tokens is used up (20,100 used).",
        ),
        (
            Allowance("run", max_cost=1.0),
            Amount(10, None),
            "The run's budget of $1.00 cannot be held: the price of some-model is unknown. Add it to prices.toml.",
        ),
        (
            Allowance("task", max_cost=1.0, spent_cost=None),
            Amount(10, 0.1),
            "The task's budget of $1.00 cannot be held: what was spent before is unknown, since a model had no price.",
        ),
        (
            Allowance("run", max_cost=9.0, max_tokens=100),
            Amount(200, 0.1),
            "The run's budget of 100 tokens is used up (0 used; the next call takes about 200).",
        ),
    ],
)
def test_what_is_refused_even_alone(allowance: Allowance, call: Amount, said: str) -> None:
    assert allowance.refusal(call, NAME) == said


def test_a_models_name_is_shown_harmless_and_short() -> None:
    said = Allowance("run", max_cost=1.0).refusal(Amount(1, None), "\x1b[2Jevil\n" + "x" * 500)
    assert "\x1b" not in said
    assert "\n" not in said
    assert len(said) < 200


@pytest.mark.parametrize(
    ("held", "call", "room"),
    [
        ([], Amount(60, 0.6), True),
        ([Amount(40, 0.4)], Amount(60, 0.6), True),
        ([Amount(40, 0.4)], Amount(61, 0.1), False),
        ([Amount(40, 0.4)], Amount(10, 0.61), False),
        ([Amount(30, 0.3), Amount(30, 0.3)], Amount(41, 0.1), False),
    ],
)
def test_what_is_held_for_others_takes_room(held: list[Amount], call: Amount, room: bool) -> None:
    allowance = Allowance("run", max_cost=1.0, max_tokens=100)
    for other in held:
        allowance.hold(other)
    assert allowance.has_room(call) is room
    for other in held:
        allowance.settle(other, Amount(0, 0.0))
    assert allowance.has_room(call), "what others gave back is there again"


def test_the_bill_takes_the_place_of_what_was_held() -> None:
    allowance = Allowance("run", max_cost=1.0, max_tokens=100)
    allowance.hold(Amount(50, 0.5))
    allowance.settle(Amount(50, 0.5), Amount(70, 0.7))
    assert (allowance.spent_tokens, allowance.spent_cost) == (70, 0.7)
    assert (allowance.held_tokens, allowance.held_cost, allowance.under_way) == (0, 0.0, 0)


def test_sums_of_floats_leave_nothing_held_by_nobody() -> None:
    allowance = Allowance("run", max_cost=10.0)
    amounts = [Amount(1, 0.1), Amount(1, 0.2), Amount(1, 0.3), Amount(1, 1e-9), Amount(1, 0.7)]
    for amount in amounts:
        allowance.hold(amount)
    for amount in amounts:
        allowance.settle(amount, Amount(0, 0.0))
    assert allowance.held_cost == 0.0


def test_a_bill_that_nobody_can_price_is_not_taken_for_nothing() -> None:
    allowance = Allowance("run", max_cost=1.0)
    allowance.hold(Amount(1, 0.1))
    allowance.settle(Amount(1, 0.1), Amount(1, None))
    assert "unknown" in allowance.refusal(Amount(1, 0.1), NAME)
