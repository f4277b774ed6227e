"""What an earlier session of the run left of a coder's work, read from its stored events. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentbatch.runs import events as e
from agentbatch.tasks.coders.builtin.turn_limits import Spent
from agentbatch.workspace.workspace import CommandRecord


@dataclass(frozen=True)
class ToolTrace:
    """What one finished tool call has done."""

    changed: bool
    command: CommandRecord | None
    file: str


@dataclass(frozen=True)
class StoredTurn:
    """The turn under way, as far as it got."""

    spent: Spent
    """Without the seconds."""
    begun: frozenset[str] = frozenset()
    """Ids of the tool calls that were started in it."""
    tools_used: bool = False
    """Some were carried out in it."""


def tool_traces(events: Iterable[e.Event]) -> list[ToolTrace]:
    """Of all finished tool calls, in order."""
    return [
        ToolTrace(event.changed, CommandRecord(**event.command) if event.command else None, event.file)
        for event in events
        if isinstance(event, e.ToolFinished)
    ]


def stored_turn(turn: Sequence[e.Event]) -> StoredTurn:
    """From the turn's events."""
    calls = [
        event
        for event in turn
        if isinstance(event, e.ModelCallFinished) and event.purpose == "code" and event.usage.calls
    ]
    costs = [call.cost for call in calls]
    return StoredTurn(
        spent=Spent(
            steps=sum(not call.error for call in calls),  # one that was cut off is paid for, and no step
            tokens=sum(call.usage.total for call in calls),
            cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        ),
        begun=frozenset(event.call_id for event in turn if isinstance(event, e.ToolCalled)),
        tools_used=any(isinstance(event, e.ToolFinished) for event in turn),
    )
