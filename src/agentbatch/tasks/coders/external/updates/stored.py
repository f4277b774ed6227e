"""What an earlier session of the run left of an agent's own, read from its stored events. Pure."""

from typing import NamedTuple

from agentbatch.config import BUILTIN
from agentbatch.runs import events as e
from agentbatch.tasks.coders.coder import CoderState


class StoredSession(NamedTuple):
    calls: int = 0
    """Tool calls that were told."""
    session: str = ""
    """The agent's own id of its latest; empty: there is none."""


def stored(state: CoderState, coder: str) -> StoredSession:
    """Of the coder with this name. A session from before another one worked is over: it does not know what that did."""
    others = [
        place
        for place, event in enumerate(state.events)
        if isinstance(event, e.IterationStarted) and (event.coder or BUILTIN) != coder
    ]
    own = state.events[others[-1] if others else 0 :]
    sessions = [event for event in own if isinstance(event, e.AgentSession) and event.coder == coder]
    return StoredSession(
        sum(isinstance(event, e.ToolCalled) for event in state.events),
        sessions[-1].session if sessions else "",
    )
