"""What an earlier session of the run left of an agent's own, read from its stored events. Pure."""

from typing import NamedTuple

from agentbatch.runs import events as e
from agentbatch.tasks.coders.coder import CoderState


class Stored(NamedTuple):
    calls: int = 0
    """Tool calls that were told."""
    session: str = ""
    """The agent's own id of its latest; empty: there is none."""


def stored(state: CoderState, coder: str) -> Stored:
    """Of the coder with this name."""
    sessions = [event for event in state.events if isinstance(event, e.AgentSession)]
    return Stored(
        sum(isinstance(event, e.ToolCalled) for event in state.events),
        next((one.session for one in reversed(sessions) if one.coder == coder), ""),
    )
