"""What was spent: a bill a role and model, summed call by call."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from agentbatch.model.usage import Usage
from agentbatch.store import events as e


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
    total = Usage()
    for bill in bills:
        if role is None or bill.role == role:
            total = total + bill.usage
    return total


def total_cost(bills: tuple[Bill, ...], role: e.Role | None = None) -> float | None:
    """None when a bill with calls has no known price; 0.0 when nothing was spent."""
    total = 0.0
    for bill in bills:
        if role is None or bill.role == role:
            if bill.cost is None:
                return None
            total += bill.cost
    return total


def _sum(known: float | None, more: float | None) -> float | None:
    return None if known is None or more is None else known + more


def add_call(bills: tuple[Bill, ...], event: e.ModelCallFinished) -> tuple[Bill, ...]:
    """The bills with one more call on the line of its role and model."""
    if event.usage.calls == 0:
        return bills
    call = Bill(
        role=event.role,
        model=event.model,
        usage=event.usage,
        cost=event.cost,
        cost_input=event.cost_input,
        cost_output=event.cost_output,
    )
    return merge_bills((bills, (call,)))


def merge_bills(groups: Iterable[Iterable[Bill]]) -> tuple[Bill, ...]:
    """All lines summed, one a role and model, in the order of their first appearance."""
    lines: dict[tuple[str, str], Bill] = {}
    for group in groups:
        for bill in group:
            key = (bill.role, bill.model)
            lines[key] = _add_bills(lines[key], bill) if key in lines else bill
    return tuple(lines.values())


def _add_bills(a: Bill, b: Bill) -> Bill:
    return Bill(
        role=a.role,
        model=a.model,
        usage=a.usage + b.usage,
        cost=_sum(a.cost, b.cost),
        cost_input=_sum(a.cost_input, b.cost_input),
        cost_output=_sum(a.cost_output, b.cost_output),
    )
