"""What follows an evaluation where the user has said more than the coder has heard. Pure."""

from dataclasses import replace

from agentbatch.tasks.evaluator.evaluator import Continue, Decision, Done, Found

SAID_SINCE = "The user has said more, which the Coder has not heard yet."


def heed(decision: Decision, *, waiting: bool) -> Decision:
    """A task is not over while something that was said to it `waiting`s for its coder: it goes out with another
    prompt, also behind the last iteration."""
    return Continue(decision.error) if waiting and isinstance(decision, Done) else decision


def heeded(found: Found, *, waiting: bool) -> Found:
    """The same of what an evaluation found; work that does not have what was asked for last is not accepted."""
    decision = heed(found.decision, waiting=waiting)
    if decision is found.decision:
        return found
    return replace(found, decision=decision, refusals=(*found.refusals, SAID_SINCE))
