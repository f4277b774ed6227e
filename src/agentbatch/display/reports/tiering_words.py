"""What it saved that a cheap model, or a cheap coder, drafted, in sentences. Pure."""

from collections.abc import Collection

from agentbatch.runs.state.bills import DraftBill
from agentbatch.runs.state.task_state import TaskState
from agentbatch.spending.tiering import Handover, PartSpending, Tiering, handover, tiering
from agentbatch.text import clip, counted, list_names, money

MAX_MODELS = 3
"""Named in a sentence."""


def escalation_words(tasks: Collection[TaskState]) -> list[str]:
    """All that is to be said of models and coders that took over from others, or did not have to."""
    return [*tiering_words(tiering(tasks)), *handover_words(handover(tasks))]


def tiering_words(found: Tiering | None) -> list[str]:
    """What of it was done before the stronger model took over; what that saved, where every price is known: an
    estimate, since another model needs other tokens."""
    if found is None:
        return []
    stronger = list_names([clip(name, 60) for name in found.drafts.models], MAX_MODELS)
    words = [_how_often(found, stronger)]
    if found.spared_drafts is not None and (said := _compared(found.spared_drafts, stronger, "saved")):
        words.append(f"drafts of {'it' if found.tasks == 1 else 'those completed before'}: {said}")
    if found.drafts != found.spared_drafts and (said := _compared(found.drafts, stronger, "less")):
        words.append(f"{'its' if found.tasks == 1 else 'all'} drafts: {said}")
    return words


def _compared(drafts: DraftBill, stronger: str, less: str) -> str:
    """Empty: a price is unknown. `less`: the word for less paid; where the stronger model took over, the drafts came on
    top, and nothing was saved."""
    saved = drafts.saved
    if saved is None:
        return ""
    count = drafts.usage.shown(drafts.usage.total, narrow=True)
    return (
        f"{money(drafts.cost)} for {count} tokens, ≈{money(drafts.stronger_cost)} for as many on {stronger}: "
        f"≈{money(abs(saved))} {less if saved >= 0 else 'more'}"
    )


def handover_words(found: Handover | None) -> list[str]:
    """The same of coders. One asks its model in its own way, so nothing is told of what the same tokens would have cost
    with another: tasks that it took over say what it takes."""
    if found is None:
        return []
    other = list_names(list(found.coders), MAX_MODELS, 40)
    words = [_how_often(found, other)]
    which = "the" if found.tasks == 1 else "all"
    if found.spared_drafts is not None:
        of_whom = "it" if found.tasks == 1 else "those completed before"
        words.append(f"drafts of {of_whom}: {_took(found.spared_drafts)}{_against(found, other)}")
    if found.finishing is not None:
        where = "" if found.tasks == 1 else " where it took over"
        words.append(f"{which} drafts: {_took(found.drafts)}; {other} took {_took(found.finishing)}{where}")
    elif found.spared_drafts is None:
        words.append(f"{which} drafts: {_took(found.drafts)}")
    return words


def _how_often(found: Tiering | Handover, other: str) -> str:
    if found.tasks == 1:
        return f"{other} took over" if found.taken_over else f"{other} did not take over"
    return (
        f"{found.spared:,} of {counted(found.tasks, 'task')} completed before {other} took over; it did in "
        f"{found.taken_over:,}"
    )


def _took(spent: PartSpending) -> str:
    count = f"{spent.usage.shown(spent.usage.total, narrow=True)} tokens"
    if spent.usage.unknown:
        count = f"{counted(spent.usage.calls, 'turn')} of unknown size"
    return count if spent.cost is None else f"{money(spent.cost)} for {count}"


def _against(found: Handover, other: str) -> str:
    """Empty: nothing is known to compare them with."""
    if found.saved is None or found.finishing is None or found.finishing.cost is None:
        return ""
    mean = money(found.finishing.cost / found.taken_over)
    word = "saved" if found.saved >= 0 else "more"
    return f", and {other} takes ≈{mean} a task: ≈{money(abs(found.saved))} {word}"
