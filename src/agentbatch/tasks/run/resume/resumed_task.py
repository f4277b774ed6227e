"""Where an interrupted task was, read from its stored history. Pure: events in, a place out. What a coder knew there is
the coder's own to find out (`CoderState`)."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from agentbatch.config import BUILTIN
from agentbatch.runs import events as e
from agentbatch.runs.store.history import TaskHistory
from agentbatch.tasks.coders.coder import CoderState, LoopPattern, TurnEnd, TurnOutcome


class ResumedTask(NamedTuple):
    """A task's place."""

    began: str
    """The coder of its first iteration."""
    project: Mapping[str, str]
    """What it was given beside its prompt, by digests."""
    verdicts: tuple[e.VerdictReached, ...]
    """One an iteration that is over."""
    under_way: bool
    """The coder's turn has begun, and its iteration is not over."""
    prompt: str
    """Of the iteration under way; else of the latest."""
    outcome: TurnOutcome | None
    """How the turn under way ended, if it did: its evaluation comes next."""
    last_text: str
    """What the coder said at the end of its latest turn that is over."""
    coder: CoderState


def resumed_task(history: TaskHistory) -> ResumedTask | None:
    """Where the task was; None when it had not got as far as a first prompt and begins from the start."""
    starts = [event for event in history.events if isinstance(event, e.IterationStarted)]
    if not starts:
        return None
    latest = starts[-1]
    verdicts = tuple(event for event in history.events if isinstance(event, e.VerdictReached))
    ends = [event for event in history.events if isinstance(event, e.TurnFinished)]
    under_way = latest.iteration > len(verdicts)
    turn = [event for event in history.events if event.seq > latest.seq] if under_way else []
    ended = next((event for event in ends if event.seq > latest.seq), None) if under_way else None
    return ResumedTask(
        began=starts[0].coder or BUILTIN,
        project=next((event.files for event in history.events if isinstance(event, e.ProjectRead)), {}),
        verdicts=verdicts,
        under_way=under_way,
        prompt=latest.prompt,
        outcome=_outcome(ended) if ended else None,
        last_text=ends[-1].text if ends else "",
        coder=CoderState(history.events, turn, history.generation, history.messages),
    )


def prepared_record(history: TaskHistory) -> Mapping[str, Any]:
    """What the evaluator prepared before the work began; empty: it had not come so far, or had nothing to keep."""
    prepared = [event for event in history.events if isinstance(event, e.EvaluatorPrepared)]
    return prepared[-1].record if prepared else {}


def _outcome(event: e.TurnFinished) -> TurnOutcome:
    # Our own words, read back.
    loop = cast(LoopPattern, event.circle) if event.circle else None
    return TurnOutcome(cast(TurnEnd, event.end), event.text, loop)
