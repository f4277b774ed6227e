"""What it saved that a cheap model, or a cheap coder, drafted before another took over. Pure; bills have prices."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from agentbatch.config import BUILTIN
from agentbatch.runs.state.bills import Bill, DraftBill, HandoverBill, merge_parts
from agentbatch.runs.state.task_state import TaskState
from agentbatch.usage import Usage, sum_or_none, sum_usage


class Tiering(NamedTuple):
    """Tasks whose coder could come to a stronger model, and their drafts: what weaker ones did before it."""

    tasks: int
    spared: int
    """Completed before the stronger model took over."""
    taken_over: int
    """Those in which it did."""
    drafts: DraftBill
    """Of all these tasks."""
    spared_drafts: DraftBill | None
    """Of those that were completed before; None: there are none."""


def tiering(tasks: Iterable[TaskState]) -> Tiering | None:
    """None: no task has drafts."""
    drafts, spared, count, taken_over = [], [], 0, 0
    for task in tasks:
        own = [bill.drafted for bill in task.bills if bill.drafted is not None]
        if not own:
            continue
        count += 1
        drafts += own
        stronger = {model for one in own for model in one.models}
        if any(bill.role == "coder" and bill.model in stronger for bill in task.bills):
            taken_over += 1
        elif task.status == "completed":
            spared.append(own)
    whole = merge_parts(drafts)
    if whole is None:
        return None
    return Tiering(count, len(spared), taken_over, whole, merge_parts(one for own in spared for one in own))


@dataclass(frozen=True)
class PartSpending:
    """What something took."""

    usage: Usage
    cost: float | None
    """US dollars; None: unknown."""


class Handover(NamedTuple):
    """Tasks that could come to another coder, and their drafts: what those before it did."""

    tasks: int
    coders: tuple[str, ...]
    """Those that may take over, by name."""
    spared: int
    """Completed before one took over."""
    taken_over: int
    """Those in which one did."""
    drafts: PartSpending
    """Of all these tasks."""
    spared_drafts: PartSpending | None
    """Of those that were completed before; None: there are none."""
    finishing: PartSpending | None
    """What whoever took over spent where it did; None: nobody did."""

    @property
    def saved(self) -> float | None:
        """US dollars, had each task that was spared cost what one that was taken over did from there on, on an average;
        below 0: the drafts cost more. None: that is not known."""
        if self.spared_drafts is None or self.finishing is None:
            return None
        if self.spared_drafts.cost is None or self.finishing.cost is None:
            return None
        return self.finishing.cost / self.taken_over * self.spared - self.spared_drafts.cost


def handover(tasks: Iterable[TaskState]) -> Handover | None:
    """None: no task could come to another coder."""
    drafts: list[HandoverBill] = []
    spared: list[list[HandoverBill]] = []
    finishing: list[list[Bill]] = []
    count = 0
    for task in tasks:
        own = [bill.handed_over for bill in task.bills if bill.handed_over is not None]
        if not own:
            continue
        count += 1
        drafts += own
        others = {coder for one in own for coder in one.coders}
        theirs = [bill for bill in task.bills if bill.role == "coder" and (bill.coder or BUILTIN) in others]
        if theirs:
            finishing.append(theirs)
        elif task.status == "completed":
            spared.append(own)
    whole = merge_parts(drafts)
    if whole is None:
        return None
    return Handover(
        count,
        whole.coders,
        len(spared),
        len(finishing),
        PartSpending(whole.usage, whole.cost),
        _spent([one for own in spared for one in own]),
        _spent([bill for bills in finishing for bill in bills]),
    )


def _spent(parts: list[HandoverBill] | list[Bill]) -> PartSpending | None:
    """All of them together; None: there are none."""
    if not parts:
        return None
    return PartSpending(sum_usage(part.usage for part in parts), sum_or_none(part.cost for part in parts))
