"""What each event changes of a task. Pure."""

from agentbatch.runs import events as e
from agentbatch.runs.state.acceptance import accepted_by
from agentbatch.runs.state.bills import add_call
from agentbatch.runs.state.task_state import (
    Activity,
    ActivityKind,
    OwnSpending,
    Said,
    SetupRecord,
    TaskState,
    VerdictRecord,
    VerifyRecord,
)

MAX_COMMANDS = 20
"""Commands of `setup` and `teardown` that are kept."""

CALLS: dict[e.Purpose, ActivityKind] = {
    "code": "generating",
    "compact": "generating",
    "judge": "judging",
    "checks": "preparing",
}
"""What a task does while a model is called for this."""

_UNFINISHED = {"finished_at": None, "reason": None, "error": "", "resumable": False, "paused": False}
"""A task that had ended is under way again."""


def new_task(event: e.TaskQueued) -> TaskState:
    return TaskState(
        id=event.task_id,
        index=event.index,
        dir=event.dir,
        first_prompt=event.first_prompt,
        max_iterations=event.max_iterations,
        definition=event.definition,
        depends_on=tuple(event.depends_on),
        attempt_of=event.attempt_of,
        tried=event.tried or None,
        model=event.model,
        coders=(event.coder,) if event.coder else (),
        has_verify=event.has_verify,
        max_cost=event.max_cost,
        max_tokens=event.max_tokens,
        since=event.seq,
    )


def _with(task: TaskState, coder: str) -> tuple[str, ...]:
    """Who has worked on it, this one last."""
    before = task.coders if task.iteration else ()
    return (*(one for one in before if one != coder), coder) if coder else task.coders


def _idle(ts: float) -> Activity:
    return Activity(kind="idle", since=ts)


def _after_call(task: TaskState, event: e.ModelCallFinished) -> Activity:
    """Checks that were written are tried, until the evaluator is prepared."""
    if event.purpose == "checks" and not task.iteration:
        return Activity(kind="preparing", since=event.ts)
    return _idle(event.ts)


def _is_before_the_work(task: TaskState, event: e.ModelCallStarted) -> bool:
    return event.purpose == "checks" and not task.iteration


def _with_command(known: tuple[SetupRecord, ...], event: e.CheckFinished) -> tuple[SetupRecord, ...]:
    """What one that ended well has printed is not kept."""
    record = SetupRecord.model_validate(event, from_attributes=True)
    if event.exit_code == 0:
        record = record.model_copy(update={"tail": ""})
    return (*known, record)[-MAX_COMMANDS:]


def reduce_task(task: TaskState, event: e.TaskEvent) -> TaskState:
    """The task after the event. Pure: no clock, no I/O."""
    changes: dict[str, object]
    match event:
        case e.MessageAdded():  # first: a quarter of all, and each question asked of one takes its time
            return task
        case e.TaskQueued():
            # The bills stay: what was spent was spent. So does what was said of a task that is still the same.
            spent = {"bills": task.bills, "attempts": task.attempts, "reruns": task.reruns + task.begun}
            spent["said"] = task.said if event.definition == task.definition else ()
            if event.tried:
                own = task.own if task.tried else OwnSpending(bills=task.bills, attempts=task.attempts)
                return new_task(event).model_copy(update={**spent, "own": own})
            return new_task(event).model_copy(update={**spent, "tried": False})
        case e.TaskStarted() | e.TaskResumed():
            begun = {"status": "coding", "started_at": event.ts, "looks": 0, "activity": _idle(event.ts)}
            changes = {**begun, "place": ""}
        case e.TaskPlaced():
            changes = {"place": event.place}
        case e.TaskRequeued():
            changes = {
                **_UNFINISHED,
                "status": "queued",
                "started_at": None,
                "seconds_before": event.seconds_before,
                "max_cost": event.max_cost,
                "max_tokens": event.max_tokens,
                "max_iterations": event.max_iterations or task.max_iterations,
                "coders": (event.coder,) if event.coder and not task.iteration else task.coders,
                "activity": _idle(event.ts),
            }
        case e.IterationStarted():
            changes = {
                "status": "coding",
                "iteration": event.iteration,
                "coders": _with(task, event.coder),
                "looks": 0,
                "activity": _idle(event.ts),
            }
        case e.ModelCallStarted():
            changes = {
                "status": "evaluating" if event.role == "evaluator" else "coding",
                "looks": task.looks + (event.purpose == "judge" or _is_before_the_work(task, event)),
                "activity": Activity(
                    kind=CALLS[event.purpose], purpose=event.purpose, detail=event.model, since=event.ts
                ),
            }
        case e.RateLimited():
            changes = {
                "activity": task.activity.model_copy(
                    update={"kind": "waiting", "detail": event.cause, "until": event.ts + event.wait}
                )
            }
        case e.ModelCallRetried():
            changes = {
                "attempts": task.attempts + 1,
                "activity": task.activity.model_copy(
                    update={
                        "kind": "retrying",
                        "detail": event.error,
                        "until": event.ts + event.wait,
                        "retries": event.attempt,
                        "tokens": 0,
                        "text": "",
                    }
                ),
            }
        case e.ModelCallSent():
            purpose = task.activity.purpose or ("judge" if event.role == "evaluator" else "code")
            sent = {"kind": CALLS[purpose], "detail": "", "until": 0.0}
            changes = {"activity": task.activity.model_copy(update=sent)}
        case e.ModelCallProgressed():
            progress = {"tokens": event.tokens, "text": event.text}
            changes = {"activity": task.activity.model_copy(update=progress)}
        case e.ModelCallFinished():
            answered = event.usage.calls > 0
            changes = {
                "bills": add_call(task.bills, event),
                "attempts": task.attempts + 1,
                "steps": task.steps + (answered and event.purpose == "code"),
                "activity": _after_call(task, event),
            }
        case e.ToolCalled():
            changes = {
                "activity": Activity(kind="tool", tool=event.tool, detail=event.summary, since=event.ts)
            }
        case e.ToolFinished() | e.EvaluatorPrepared():
            changes = {"activity": _idle(event.ts)}
        case e.CheckStarted(kind="setup" | "teardown"):
            doing = Activity(kind="verify", check=event.kind, detail=event.command, since=event.ts)
            changes = {"activity": doing}
        case e.CheckFinished(kind="setup" | "teardown"):
            changes = {"activity": _idle(event.ts), "setup": _with_command(task.setup, event)}
        case e.CheckStarted():
            changes = {
                "status": "evaluating",
                "looks": task.looks + 1,
                "activity": Activity(kind="verify", check=event.kind, detail=event.command, since=event.ts),
            }
        case e.CheckFinished():
            changes = {"activity": _idle(event.ts)}
            if event.kind == "verify":
                changes["last_verify"] = VerifyRecord.model_validate(event, from_attributes=True)
        case e.VerdictReached():
            record = VerdictRecord.model_validate(event, from_attributes=True)
            changes = {
                "status": "evaluating",
                "verdicts": (*task.verdicts, record),
                "accepted_by": accepted_by(event.verdict, event.checks) if event.accepted else None,
            }
        case e.UserSaid():
            said = Said(seq=event.seq, ts=event.ts, text=event.text, by=event.by, token=event.token)
            changes = {"said": (*task.said, said)}
        case e.UserHeard():
            changes = {"heard": event.upto}
        case e.HiddenVerified():
            changes = {"hidden": event.passed}
        case e.TaskFinished():
            changes = {
                "status": event.status,
                "reason": event.reason,
                "error": event.error,
                "last_response": event.last_response,
                "last_evaluation": event.last_evaluation,
                "changed_files": event.changed_files,
                "finished_at": event.ts,
                "activity": _idle(event.ts),
                "resumable": event.resumable,
                "branch": event.branch,
                "paused": False,
            }
        case _:
            return task
    return task.model_copy(update=changes)
