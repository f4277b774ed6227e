"""What it saved that a cheap model drafted before a strong one took over. Pure; prices stand in the bills."""

from collections.abc import Iterable
from dataclasses import dataclass

from agentbatch.runs.state.bills import Drafted, merge_drafted
from agentbatch.runs.state.task_state import TaskState


@dataclass(frozen=True)
class Tiering:
    """Tasks whose coder could come to a stronger model, and their drafts: what weaker ones did before it."""

    tasks: int
    spared: int
    """Completed before the stronger model took over."""
    taken_over: int
    """Those in which it did."""
    drafts: Drafted
    """Of all these tasks."""
    spared_drafts: Drafted | None
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
    whole = merge_drafted(drafts)
    if whole is None:
        return None
    return Tiering(count, len(spared), taken_over, whole, merge_drafted(one for own in spared for one in own))
