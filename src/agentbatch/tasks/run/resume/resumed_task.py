"""Where an interrupted task was, told from its stored history. Pure: events and messages in, a place out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from agentbatch.model.reply import Message
from agentbatch.runs import events as e
from agentbatch.runs.store.history import TaskHistory
from agentbatch.tasks.coders.builtin.loops import Pattern
from agentbatch.tasks.coders.builtin.turn import TurnEnd, TurnOutcome
from agentbatch.tasks.coders.builtin.turn_limits import Spent
from agentbatch.tasks.evaluator.controller import Evaluated, evaluated_from
from agentbatch.tasks.evaluator.verdict import MAX_FOLLOW_UP
from agentbatch.workspace.workspace import CommandRecord


@dataclass(frozen=True)
class ToolTrace:
    """What one finished tool call has done."""

    changed: bool
    command: CommandRecord | None
    file: str


@dataclass(frozen=True)
class Resumption:
    """A task's place, and all that its agents knew there."""

    generation: int
    messages: Sequence[Message]
    tools: tuple[ToolTrace, ...]
    """Of the whole task, in order."""
    evaluated: tuple[Evaluated, ...]
    """One an iteration that is over."""
    verdicts: tuple[e.VerdictReached, ...]
    prompt: str
    """The next iteration's prompt, where the latest is over; else that of the one under way."""
    anew: bool
    """`prompt` opens a new conversation."""
    under_way: bool
    """The coder's turn has begun, and its iteration is not over."""
    outcome: TurnOutcome | None
    """How the turn under way ended, if it did: its evaluation comes next."""
    spent: Spent
    """By the turn under way; without the seconds."""
    begun: frozenset[str]
    """Ids of the tool calls that were started in the turn under way."""
    tools_used: bool
    """Some were carried out in it."""
    last_text: str
    """What the coder said at the end of its latest turn that is over."""


def resumption_of(history: TaskHistory) -> Resumption | None:
    """Where the task was; None when it had not got as far as a first prompt and begins from the start."""
    starts = [event for event in history.events if isinstance(event, e.IterationStarted)]
    verdicts = tuple(event for event in history.events if isinstance(event, e.VerdictReached))
    if not starts or not history.messages:
        return None
    latest = starts[-1]
    under_way = latest.iteration > len(verdicts)
    turn = [event for event in history.events if event.seq > latest.seq] if under_way else []
    calls = [
        event
        for event in turn
        if isinstance(event, e.ModelCallFinished) and event.purpose == "code" and event.usage.calls
    ]
    costs = [call.cost for call in calls]
    ended = next((event for event in turn if isinstance(event, e.TurnFinished)), None)
    return Resumption(
        generation=history.generation,
        messages=history.messages,
        tools=tuple(_trace(event) for event in history.events if isinstance(event, e.ToolFinished)),
        evaluated=tuple(evaluated_from(verdict.evaluated) for verdict in verdicts),
        verdicts=verdicts,
        prompt=latest.prompt if under_way else verdicts[-1].follow_up,
        anew=not under_way and verdicts[-1].anew,
        under_way=under_way,
        outcome=_outcome(ended) if ended else None,
        spent=Spent(
            steps=sum(not call.error for call in calls),  # one that was cut off is paid for, and no step
            tokens=sum(call.usage.total for call in calls),
            cost=None if None in costs else sum(cost for cost in costs if cost is not None),
        ),
        begun=frozenset(event.call_id for event in turn if isinstance(event, e.ToolCalled)),
        tools_used=any(event.type == "tool_finished" for event in turn),
        last_text=next(
            (event.text for event in reversed(history.events) if isinstance(event, e.TurnFinished)), ""
        ),
    )


def feedback_prompt(resumption: Resumption) -> str:
    """A prompt after an iteration that was to be the last, and is not: its verdict came without one."""
    verdict = resumption.verdicts[-1].verdict or {}
    missing = verdict.get("missing") or ()
    parts = (
        str(verdict.get("follow_up_prompt") or ""),
        *map(str, missing),
        *resumption.evaluated[-1].refusals,
    )
    return "\n".join(part.strip() for part in dict.fromkeys(parts) if part.strip())[:MAX_FOLLOW_UP]


def _trace(event: e.ToolFinished) -> ToolTrace:
    return ToolTrace(event.changed, CommandRecord(**event.command) if event.command else None, event.file)


def _outcome(event: e.TurnFinished) -> TurnOutcome:
    # Our own words, read back.
    circle = cast(Pattern, event.circle) if event.circle else None
    return TurnOutcome(cast(TurnEnd, event.end), event.text, circle)
