"""What was spent: a bill a role and model, summed call by call."""

from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from agentbatch.config.contestants import BUILTIN, worker
from agentbatch.runs import events as e
from agentbatch.usage import Usage, less, sum_or_none, sum_usage

UNKNOWN_MODEL = ""
"""The model of a bill from a results file that names none."""


class DraftBill(BaseModel):
    """Calls of a coder from which a stronger model may take over later in the task."""

    model_config = ConfigDict(frozen=True)

    models: tuple[str, ...]
    """The stronger ones, by name."""
    usage: Usage = Usage()
    cost: float | None = 0.0
    """US dollars; None as soon as one call's price is unknown."""
    stronger_cost: float | None = 0.0
    """What the same tokens would have cost on the stronger model."""

    @property
    def saved(self) -> float | None:
        """US dollars, below 0 where the stronger model would have been cheaper; None: a price is unknown."""
        return less(self.stronger_cost, self.cost)


class HandoverBill(BaseModel):
    """Calls of a coder from which another may take over later in the task."""

    model_config = ConfigDict(frozen=True)

    coders: tuple[str, ...]
    """The others, by name."""
    usage: Usage = Usage()
    cost: float | None = 0.0
    """US dollars; None as soon as one call's price is unknown."""


Part = TypeVar("Part", DraftBill, HandoverBill)


class Bill(BaseModel):
    """What one role spent on one model; of several coders each has its own."""

    model_config = ConfigDict(frozen=True)

    role: e.Role
    model: str
    """Of a coder that calls its model itself, the coder's name."""
    coder: str = ""
    """Who spent it, a name of agents/coders.toml; empty: `builtin`, or no coder."""
    usage: Usage = Usage()
    cost: float | None = 0.0
    """US dollars; None as soon as one call's price is unknown."""
    cost_input: float | None = 0.0
    cost_output: float | None = 0.0
    drafted: DraftBill | None = None
    """The part of it that a stronger model would have been asked for, had it begun the task."""
    handed_over: HandoverBill | None = None
    """The part of it that another coder would have done, had it begun the task."""

    @property
    def spender(self) -> str:
        """The model that was asked, and who asked it where that was not `builtin`."""
        return worker(self.coder or BUILTIN, self.model, (self.model,))


def has_roles(bills: Collection[Bill]) -> bool:
    """False: they are from a results file that names neither the role nor the model that spent the tokens."""
    return not bills or any(bill.model != UNKNOWN_MODEL for bill in bills)


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
    """The bills with one more call on the line of its role, model and coder."""
    if event.usage.calls == 0:
        return bills
    bill = Bill.model_validate(event, from_attributes=True)
    if event.stronger:
        drafted = DraftBill(
            models=(event.stronger,), usage=event.usage, cost=event.cost, stronger_cost=event.stronger_cost
        )
        bill = bill.model_copy(update={"drafted": drafted})
    if event.next_coder:
        handed = HandoverBill(coders=(event.next_coder,), usage=event.usage, cost=event.cost)
        bill = bill.model_copy(update={"handed_over": handed})
    return merge_bills((bills, (bill,)))


def merge_bills(groups: Iterable[Iterable[Bill]]) -> tuple[Bill, ...]:
    """All lines summed, one a role, model and coder, in the order of their first appearance."""
    lines: dict[tuple[str, str, str], list[Bill]] = {}
    for group in groups:
        for bill in group:
            lines.setdefault((bill.role, bill.model, bill.coder), []).append(bill)
    return tuple(_merged(bills) for bills in lines.values())


def _merged(bills: Sequence[Bill]) -> Bill:
    """One line of many, summed field by field: a run of ten thousand tasks has as many lines."""
    if len(bills) == 1:
        return bills[0]
    costs = total_costs(bills)
    return Bill(
        role=bills[0].role,
        model=bills[0].model,
        coder=bills[0].coder,
        usage=sum_usage(bill.usage for bill in bills),
        cost=costs.total,
        cost_input=costs.input,
        cost_output=costs.output,
        drafted=merge_parts(bill.drafted for bill in bills if bill.drafted is not None),
        handed_over=merge_parts(bill.handed_over for bill in bills if bill.handed_over is not None),
    )


def merge_parts(parts: Iterable[Part]) -> Part | None:
    """All of them together, field by field; None: there are none."""
    every = list(parts)
    if len(every) < 2:
        return every[0] if every else None
    kind = type(every[0])
    return kind(**{name: _together([getattr(part, name) for part in every]) for name in kind.model_fields})


def _together(values: Sequence[Any]) -> Any:
    """Names once each, and sums; None: one of what is summed is unknown."""
    match values[0]:
        case tuple():
            return tuple(sorted({name for names in values for name in names}))
        case Usage():
            return sum_usage(values)
    return sum_or_none(values)
