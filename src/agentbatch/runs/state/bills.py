"""What was spent: a bill a role and model, summed call by call."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from agentbatch.runs import events as e
from agentbatch.usage import Usage, sum_or_none, sum_usage


class Bill(BaseModel):
    """What one role spent on one model."""

    model_config = ConfigDict(frozen=True)

    role: e.Role
    model: str
    usage: Usage = Usage()
    cost: float | None = 0.0
    """US dollars; None as soon as one call's price is unknown."""
    cost_input: float | None = 0.0
    cost_output: float | None = 0.0


def total_usage(bills: tuple[Bill, ...], role: e.Role | None = None) -> Usage:
    return sum_usage(bill.usage for bill in bills if role is None or bill.role == role)


def total_cost(bills: tuple[Bill, ...], role: e.Role | None = None) -> float | None:
    """None when a bill with calls has no known price; 0.0 when nothing was spent."""
    return sum_or_none(bill.cost for bill in bills if role is None or bill.role == role)


class Costs(NamedTuple):
    """US dollars; None when a part of it is unknown."""

    input: float | None
    output: float | None
    total: float | None


def total_costs(bills: Iterable[Bill]) -> Costs:
    """Of all bills together."""
    every = list(bills)
    parts = ("cost_input", "cost_output", "cost")
    return Costs(*(sum_or_none(map(attrgetter(part), every)) for part in parts))


def add_call(bills: tuple[Bill, ...], event: e.ModelCallFinished) -> tuple[Bill, ...]:
    """The bills with one more call on the line of its role and model."""
    if event.usage.calls == 0:
        return bills
    return merge_bills((bills, (Bill.model_validate(event, from_attributes=True),)))


def merge_bills(groups: Iterable[Iterable[Bill]]) -> tuple[Bill, ...]:
    """All lines summed, one a role and model, in the order of their first appearance."""
    lines: dict[tuple[str, str], list[Bill]] = {}
    for group in groups:
        for bill in group:
            lines.setdefault((bill.role, bill.model), []).append(bill)
    return tuple(_merged(bills) for bills in lines.values())


def _merged(bills: Sequence[Bill]) -> Bill:
    """One line of many, summed field by field: a run of ten thousand tasks has as many lines."""
    if len(bills) == 1:
        return bills[0]
    costs = total_costs(bills)
    return Bill(
        role=bills[0].role,
        model=bills[0].model,
        usage=sum_usage(bill.usage for bill in bills),
        cost=costs.total,
        cost_input=costs.input,
        cost_output=costs.output,
    )
