"""What an earlier session of the run left of an agent's work, read from its stored events. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentbatch.runs import events as e
from agentbatch.tasks.coders.coder import GENERATIONS, Assignment, WorkLog
from agentbatch.workspace.workspace import CommandRecord


@dataclass(frozen=True)
class Stored:
    """Where the coder was."""

    generation: int
    messages: Sequence[Mapping[str, Any]] = ()
    calls: int = 0
    """Tool calls that were told."""
    session: str = ""
    """The agent's own id of its latest; empty: there is none."""


def stored(assignment: Assignment, coder: str) -> Stored:
    """Of the coder with this name."""
    first, state = assignment.reruns * GENERATIONS, assignment.state
    if state is None:
        return Stored(first)
    sessions = [event for event in state.events if isinstance(event, e.AgentSession)]
    return Stored(
        generation=max(state.generation, first),
        messages=state.messages if state.generation >= first else (),  # else of an earlier time
        calls=sum(isinstance(event, e.ToolCalled) for event in state.events),
        session=next((one.session for one in reversed(sessions) if one.coder == coder), ""),
    )


def restore_work(work: WorkLog, events: Iterable[e.Event]) -> None:
    """What its tool calls have done."""
    for event in events:
        if isinstance(event, e.ToolFinished):
            command = CommandRecord(**event.command) if event.command else None
            work.note(event.changed, command, event.file)
