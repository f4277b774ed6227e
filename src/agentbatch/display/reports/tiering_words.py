"""What it saved that a cheap model drafted, in sentences. Pure."""

from agentbatch.runs.state.bills import Drafted
from agentbatch.spending.tiering import Tiering
from agentbatch.text import clip, counted, list_names, money

MAX_MODELS = 3
"""Named in a sentence."""


def tiering_words(found: Tiering | None) -> list[str]:
    """What of it was done before the stronger model took over; what that saved, where every price is known: an
    estimate, since another model needs other tokens."""
    if found is None:
        return []
    stronger = list_names([clip(name, 60) for name in found.drafts.models], MAX_MODELS)
    if found.tasks == 1:
        words = [f"{stronger} took over" if found.taken_over else f"{stronger} did not take over"]
    else:
        words = [
            f"{found.spared:,} of {counted(found.tasks, 'task')} completed before {stronger} took over; it did in "
            f"{found.taken_over:,}"
        ]
    if found.spared_drafts is not None and (said := _compared(found.spared_drafts, stronger, "saved")):
        words.append(f"drafts of {'it' if found.tasks == 1 else 'those completed before'}: {said}")
    if found.drafts != found.spared_drafts and (said := _compared(found.drafts, stronger, "less")):
        words.append(f"{'its' if found.tasks == 1 else 'all'} drafts: {said}")
    return words


def _compared(drafts: Drafted, stronger: str, less: str) -> str:
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
