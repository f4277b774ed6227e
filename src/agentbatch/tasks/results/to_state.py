"""From a results file back to the run's state, so that the same screens show it."""

from collections.abc import Sequence

from pydantic import ValidationError

from agentbatch.errors import UserError
from agentbatch.problems import first_problem
from agentbatch.runs import events as e
from agentbatch.runs.state.bills import UNKNOWN_MODEL, Bill, DraftBill, HandoverBill, merge_bills
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import Said, TaskState
from agentbatch.tasks.results.shape import (
    DraftedShape,
    Entry,
    HandedOverShape,
    Result,
    ResultsShape,
    RunShape,
    Tokens,
    epoch_second,
)
from agentbatch.tasks.spec.task_name import TaskNames
from agentbatch.text import clip
from agentbatch.usage import Usage


def state_of(document: object) -> RunState:
    """The state of the run whose results these are: a file of ours, or one that the original runner wrote.

    What the file does not contain is unknown: costs are None, a model and a run id are empty, `max_iterations` is 0.
    Raises UserError saying what is missing, or wrong, where in the document.
    """
    try:
        shape = ResultsShape.model_validate(document, strict=True)
    except ValidationError as error:
        raise UserError(_problem(error)) from None
    entries = _ordered(shape.results)
    end = _end(shape)
    state = RunState()
    state.apply(_opening(shape, end))
    for entry, task_id in zip(entries, _ids(entries), strict=True):
        state.put(_task(entry, task_id, end))
    state.bills = merge_bills(task.bills for task in state.tasks.values())
    run = shape.run or RunShape()
    state.notices += run.notices
    state.apply(e.RunFinished(ts=end, interrupted=run.interrupted, error=run.error))
    return state


def _ordered(entries: Sequence[Entry]) -> list[Entry]:
    """In the order of the task file. Where places are missing or given twice, the file's own order holds."""
    places = {entry.task_index for entry in entries}
    if None in places or len(places) < len(entries):
        return [entry.model_copy(update={"task_index": place}) for place, entry in enumerate(entries)]
    return sorted(entries, key=lambda entry: entry.task_index or 0)


def _end(shape: ResultsShape) -> float:
    """Epoch second; 0 if unknown."""
    if shape.summary.timestamp is not None:
        return epoch_second(shape.summary.timestamp)
    return max((epoch_second(entry.timestamp) for entry in shape.results if entry.timestamp), default=0.0)


def _opening(shape: ResultsShape, end: float) -> e.RunStarted:
    summary, run = shape.summary, shape.run or RunShape()
    if summary.duration_seconds is not None:
        begun = end - summary.duration_seconds
    else:
        begun = min((_finished(entry, end) - entry.seconds for entry in shape.results), default=end)
    return e.RunStarted(
        ts=max(0.0, begun),
        run_id=run.id,
        mode=summary.mode or ("parallel" if summary.max_concurrent > 1 else "serial"),
        max_concurrent=summary.max_concurrent,
        total_tasks=max(summary.total_tasks, len(shape.results)),
        settings={"coder_name": run.coder},
        **run.model_dump(exclude={"id", "coder", "notices", "interrupted", "error"}),
    )


def _ids(entries: Sequence[Entry]) -> list[str]:
    """The given ids; a task without one gets the id that agentbatch would give it."""
    taken: set[str] = set()
    for entry in entries:
        if entry.task.id is not None:
            if entry.task.id in taken:
                raise UserError(f"the task id {clip(entry.task.id, 60)!r} is given to two results.")
            taken.add(entry.task.id)
    names = TaskNames(taken)
    tasks = [entry.task for entry in entries]
    return [names.name(task.dir, task.first_prompt) if task.id is None else task.id for task in tasks]


def _finished(entry: Entry, end: float) -> float:
    return epoch_second(entry.timestamp) if entry.timestamp is not None else end


def _task(entry: Entry, task_id: str, end: float) -> TaskState:
    result, finished = entry.result, _finished(entry, end)
    begun = entry.seconds > 0 or result.iterations > 0
    return TaskState(
        id=task_id,
        index=entry.task_index or 0,
        dir=entry.task.dir,
        first_prompt=entry.task.first_prompt,
        max_iterations=result.max_iterations,
        coders=tuple(result.coders),
        choice=result.choice.event(task_id) if result.choice is not None else None,
        hidden=result.hidden_verify,
        reruns=result.reruns,
        status=result.status,
        reason=result.reason,
        iteration=result.iterations,
        started_at=finished - entry.seconds if begun else None,
        finished_at=finished,
        bills=_bills(result),
        attempts=result.attempts,
        steps=result.steps,
        last_response=result.last_response or "",
        last_evaluation=result.last_evaluation or "",
        error=result.error or "",
        verdicts=tuple(result.verdicts),
        last_verify=result.verify_,
        setup=tuple(result.setup),
        said=tuple(
            Said(
                seq=number,
                ts=epoch_second(one.timestamp) if one.timestamp is not None else finished,
                text=one.text,
                by=one.by,
            )
            for number, one in enumerate(result.said, 1)
        ),
        heard=max((number for number, one in enumerate(result.said, 1) if one.heard), default=0),
        accepted_by=result.accepted_by,
        changed_files=result.changed_files,
        resumable=result.resumable,
        branch=result.branch or "",
    )


def _bills(result: Result) -> tuple[Bill, ...]:
    stats = result.token_stats
    if result.cost is None:
        # The original's: neither model nor role nor price is known. One line, for the coder: it did the most.
        unpriced = Bill(role="coder", model=UNKNOWN_MODEL, usage=_usage(stats))
        return (unpriced.model_copy(update={"cost": None, "cost_input": None, "cost_output": None}),)
    seen: set[e.Role] = set()
    bills = []
    for line in result.cost.by_model:
        if line.prompt_tokens is not None:
            usage = _usage(line)
        else:  # agentbatch 0.1: tokens by role only, which nearly always has one model
            usage = _usage(stats.by_role.get(line.role) if stats and line.role not in seen else None)
            usage = usage.model_copy(update={"calls": line.calls})
        seen.add(line.role)
        bills.append(
            Bill(
                role=line.role,
                model=line.model,
                usage=usage,
                cost=line.total,
                cost_input=line.input,
                cost_output=line.output,
                drafted=_drafted(line.drafted),
                coder=line.coder,
                handed_over=_handed_over(line.handed_over),
            )
        )
    return tuple(bills)


def _drafted(shape: DraftedShape | None) -> DraftBill | None:
    if shape is None:
        return None
    return DraftBill(
        models=tuple(shape.models),
        usage=_usage(shape),
        cost=shape.cost,
        stronger_cost=shape.stronger_cost,
    )


def _handed_over(shape: HandedOverShape | None) -> HandoverBill | None:
    if shape is None:
        return None
    return HandoverBill(coders=tuple(shape.coders), usage=_usage(shape), cost=shape.cost)


def _usage(tokens: Tokens | None) -> Usage:
    if tokens is None:
        return Usage()
    prompt = tokens.prompt_tokens or 0
    cached = min(tokens.cached_tokens, prompt)
    written = min(tokens.cache_write_tokens, prompt - cached)
    return Usage(
        input=prompt,
        cached=cached,
        written=written,
        written_hour=min(tokens.cache_write_hour_tokens, written),
        audio_input=min(tokens.audio_input_tokens, prompt - cached - written),
        output=tokens.completion_tokens,
        reasoning=min(tokens.reasoning_tokens, tokens.completion_tokens),
        audio_output=min(tokens.audio_output_tokens, tokens.completion_tokens),
        calls=tokens.calls,
        untold=min(tokens.untold_calls, tokens.calls),
        estimated=tokens.estimated,
    )


def _problem(error: ValidationError) -> str:
    """The first thing that is wrong, with its place."""
    problem = first_problem(error)
    # Plain names, whatever type of a choice it was tried as.
    place = clip(problem.name, 120) or "the document"
    if problem.kind == "missing":
        return f"{place} is missing."
    return f"{place} {clip(problem.told(lambda given: clip(repr(given)[:200], 60)), 400)}."
