"""What an earlier session of the run left of a coder's work, read from its stored events. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from agentbatch.runs import events as e
from agentbatch.tasks.coders.builtin.turn_limits import TurnSpending


class StoredTurn(NamedTuple):
    """The turn under way, as far as it got."""

    spent: TurnSpending
    """Without the seconds."""
    begun: frozenset[str] = frozenset()
    """Ids of the tool calls that were started in it."""
    tools_used: bool = False
    """Some were carried out in it."""


def stored_turn(turn: Sequence[e.Event]) -> StoredTurn:
    """From the turn's events."""
    calls = [
        event
        for event in turn
        if isinstance(event, e.ModelCallFinished) and event.purpose == "code" and event.usage.calls
    ]
    costs = [call.cost for call in calls]
    return StoredTurn(
        spent=TurnSpending(
            steps=sum(not call.error for call in calls),  # one that was cut off is paid for, and no step
            tokens=sum(call.usage.total for call in calls),
            cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        ),
        begun=frozenset(event.call_id for event in turn if isinstance(event, e.ToolCalled)),
        tools_used=any(isinstance(event, e.ToolFinished) for event in turn),
    )
