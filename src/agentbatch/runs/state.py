"""The reducer: a run's state, folded from its events. Every screen, file and command shows a RunState."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

from agentbatch.runs import events as e
from agentbatch.runs.acceptance import AcceptedBy, accepted_by
from agentbatch.runs.bills import Bill, add_call, total_cost, total_usage
from agentbatch.runs.check_words import last_said
from agentbatch.text import clip
from agentbatch.usage import Usage

MAX_SAID = 200
"""Cells kept of the last line that a failed check printed."""

MAX_FAILED = 100
"""Failed checks of one evaluation of which that is kept."""

ActivityKind = Literal["idle", "generating", "judging", "preparing", "waiting", "retrying", "tool", "verify"]
"""`preparing`: the evaluator's model writes checks, and they are tried; `verify`: a check runs, of whatever kind."""

CALLS: dict[e.Purpose, ActivityKind] = {
    "code": "generating",
    "compact": "generating",
    "judge": "judging",
    "checks": "preparing",
}
"""What a task does while a model is called for this."""


class Activity(BaseModel):
    """What a task is doing now. `since` is the epoch second it began; a screen shows the time passed."""

    model_config = ConfigDict(frozen=True)

    kind: ActivityKind = "idle"
    detail: str = ""
    tool: str = ""
    """The tool's name, while `kind` is `tool`."""
    check: e.CheckKind | None = None
    """While `kind` is `verify`."""
    purpose: e.Purpose | None = None
    """Of the call under way, also while it waits or is retried."""
    since: float = 0.0
    until: float = 0.0
    """For waiting and retrying: the expected end."""
    retries: int = 0
    tokens: int = 0
    """Output tokens of the call under way, estimated; 0 until the first ones are reported."""
    text: str = ""
    """The end of the answer under way."""


class VerdictRecord(BaseModel):
    """One evaluation, as the results file lists it."""

    model_config = ConfigDict(frozen=True)

    iteration: int
    accepted: bool
    decided_by: e.DecidedBy = "judge"
    verdict: dict[str, object] | None
    refusals: list[str]
    tampering: list[str]
    follow_up: str
    checks: list[e.CheckLine] = []


class VerifyRecord(BaseModel):
    model_config = ConfigDict(frozen=True)

    command: str
    exit_code: int | None
    tail: str


class TaskState(BaseModel):
    """One task, as its events say. Frozen: `reduce_task` makes the next one."""

    model_config = ConfigDict(frozen=True)

    id: str
    index: int
    dir: str
    first_prompt: str
    max_iterations: int
    definition: str = ""
    depends_on: tuple[str, ...] = ()
    max_cost: float | None = None
    """US dollars that it may spend; None: no budget of its own."""
    max_tokens: int | None = None
    reruns: int = 0
    """How often it was begun again from its start."""
    since: int = 0
    """The number of the event that queued it, the last time."""
    status: e.Status = "queued"
    reason: e.Reason | None = None
    iteration: int = 0
    looks: int = 0
    """Checks and calls of the evaluator's model that the evaluation under way has begun, or what comes before the
    work."""
    started_at: float | None = None
    """When it last began or was resumed."""
    finished_at: float | None = None
    seconds_before: float = 0.0
    """What it was at work before `started_at`, in earlier sessions of the run."""
    activity: Activity = Activity()
    bills: tuple[Bill, ...] = ()
    attempts: int = 0
    """Requests sent to models, retries included."""
    steps: int = 0
    """Coder calls that were answered."""
    last_response: str = ""
    last_evaluation: str = ""
    error: str = ""
    verdicts: tuple[VerdictRecord, ...] = ()
    last_verify: VerifyRecord | None = None
    failed: dict[str, str] = {}
    """What the failed checks of the evaluation under way printed last, by kind and command."""
    accepted_by: AcceptedBy | None = None
    """Of the latest evaluation; None: it did not accept, or is of before this was known."""
    changed_files: int = 0
    resumable: bool = False
    """It has ended before its end: a resumption continues it."""
    branch: str = ""
    """The git branch that holds its work."""
    paused: bool = False
    """It is held before its next model call."""

    @property
    def finished(self) -> bool:
        return self.finished_at is not None

    @property
    def at_its_end(self) -> bool:
        """It has a status of its own, also one that a resumption could still change; not that of the run's end."""
        return self.finished and not (self.resumable and self.status in ("cancelled", "skipped"))

    @property
    def begun(self) -> bool:
        """It was at work at some time, whatever a clock that was set back says of how long."""
        return self.started_at is not None or self.seconds_before > 0 or self.iteration > 0

    @property
    def usage(self) -> Usage:
        return total_usage(self.bills)

    @property
    def cost(self) -> float | None:
        """US dollars over both roles; None when a part of it is unknown."""
        return total_cost(self.bills)

    @property
    def tampering(self) -> list[str]:
        return sorted({path for record in self.verdicts for path in record.tampering})

    @property
    def verified_alone(self) -> bool:
        """No judge was asked about the latest iteration: its verify decided."""
        return bool(self.verdicts) and self.verdicts[-1].decided_by == "verify"

    def duration(self, now: float) -> float:
        """Seconds that it was at work until its end, or until `now`; 0 before the start."""
        if self.started_at is None:
            return self.seconds_before
        end = self.finished_at if self.finished_at is not None else now
        return self.seconds_before + max(0.0, end - self.started_at)


_UNFINISHED = {"finished_at": None, "reason": None, "error": "", "resumable": False, "paused": False}
"""A task that had ended is under way again."""


def _new_task(event: e.TaskQueued) -> TaskState:
    return TaskState(
        id=event.task_id,
        index=event.index,
        dir=event.dir,
        first_prompt=event.first_prompt,
        max_iterations=event.max_iterations,
        definition=event.definition,
        depends_on=tuple(event.depends_on),
        max_cost=event.max_cost,
        max_tokens=event.max_tokens,
        since=event.seq,
    )


def _idle(ts: float) -> Activity:
    return Activity(kind="idle", since=ts)


def _after_call(task: TaskState, event: e.ModelCallFinished) -> Activity:
    """Checks that were written are tried, until the evaluator is prepared."""
    if event.purpose == "checks" and not task.iteration:
        return Activity(kind="preparing", since=event.ts)
    return _idle(event.ts)


def _is_before_the_work(task: TaskState, event: e.ModelCallStarted) -> bool:
    return event.purpose == "checks" and not task.iteration


def _failed(failed: dict[str, str], event: e.CheckFinished) -> dict[str, str]:
    """With what this check printed; one that passes, when run again, has nothing to say."""
    key = f"{event.kind} {event.command}"
    others = {known: said for known, said in failed.items() if known != key}
    said = clip(last_said(event.tail), MAX_SAID)
    if event.exit_code == 0 or not said or len(others) >= MAX_FAILED:
        return others
    return {**others, key: said}


def _with_words(check: e.CheckLine, failed: dict[str, str]) -> e.CheckLine:
    said = "" if check.passed else failed.get(f"{check.kind} {check.command}", "")
    return check.model_copy(update={"said": said}) if said else check


def reduce_task(task: TaskState, event: e.TaskEvent) -> TaskState:
    """The task after the event. Pure: no clock, no I/O."""
    changes: dict[str, object]
    match event:
        case e.TaskQueued():
            # The bills stay: what was spent was spent.
            return _new_task(event).model_copy(
                update={"bills": task.bills, "attempts": task.attempts, "reruns": task.reruns + task.begun}
            )
        case e.TaskStarted() | e.TaskResumed():
            changes = {"status": "coding", "started_at": event.ts, "looks": 0, "activity": _idle(event.ts)}
        case e.TaskRequeued():
            changes = {
                **_UNFINISHED,
                "status": "queued",
                "started_at": None,
                "seconds_before": event.seconds_before,
                "max_cost": event.max_cost,
                "max_tokens": event.max_tokens,
                "max_iterations": event.max_iterations or task.max_iterations,
                "activity": _idle(event.ts),
            }
        case e.IterationStarted():
            changes = {
                "status": "coding",
                "iteration": event.iteration,
                "failed": {},
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
        case e.CheckStarted():
            changes = {
                "status": "evaluating",
                "looks": task.looks + 1,
                "activity": Activity(kind="verify", check=event.kind, detail=event.command, since=event.ts),
            }
        case e.CheckFinished():
            changes = {"activity": _idle(event.ts), "failed": _failed(task.failed, event)}
            if event.kind == "verify":
                changes["last_verify"] = VerifyRecord.model_validate(event, from_attributes=True)
        case e.VerdictReached():
            record = VerdictRecord.model_validate(event, from_attributes=True)
            checks = [_with_words(check, task.failed) for check in record.checks]
            record = record.model_copy(update={"checks": checks})
            changes = {
                "status": "evaluating",
                "verdicts": (*task.verdicts, record),
                "failed": {},
                "accepted_by": accepted_by(event.verdict, event.checks) if event.accepted else None,
            }
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


@dataclass
class RunState:
    """A whole run. `apply` is the only way it changes; it does no I/O and reads no clock."""

    info: e.RunStarted | None = None
    tasks: dict[str, TaskState] = field(default_factory=dict)
    """By task id, in task order."""
    requests: e.RequestsProgressed | None = None
    """How far a batch of plain requests is; None: it has not reported yet, or there is none."""
    bills: tuple[Bill, ...] = ()
    finished: e.RunFinished | None = None
    notices: list[str] = field(default_factory=list)
    last_seq: int = 0
    paused: bool = False
    """No task starts, and those under way stop before their next model call."""
    quotas: dict[str, e.QuotaUsedUp] = field(default_factory=dict)
    """Endpoints whose quota is used up, by host: their calls wait."""
    max_concurrent: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """Tasks by status; kept so that a screen over 10,000 tasks need not count them at each event."""

    def apply(self, event: e.Event) -> TaskState | None:
        """Fold one event in; returns the task it changed, if any."""
        self.last_seq = event.seq
        match event:
            case e.RunStarted():
                self.info = event
                self.max_concurrent = event.max_concurrent
                self.paused = False
                self.quotas = {}
                self.finished = None
                self.notices = list(event.warnings)
            case e.RunFinished():
                self.finished = event
                self.quotas = {}
            case e.QuotaUsedUp():
                self.quotas = {**self.quotas, event.endpoint: event}
            case e.QuotaReturned():
                self.quotas = {host: one for host, one in self.quotas.items() if host != event.endpoint}
            case e.Notice():
                if event.warning:
                    self.notices.append(event.text)
            case e.RequestsProgressed():
                self.requests = event
                model = self.info.coder_model if self.info else ""
                bill = Bill(role="request", model=model, usage=event.usage, cost=event.cost)
                self.bills = (bill.model_copy(update={"cost_input": None, "cost_output": None}),)
            case e.ConcurrencyChanged():
                self.max_concurrent = event.max_concurrent
            case e.Paused(task_id=None) | e.Resumed(task_id=None):
                self.paused = isinstance(event, e.Paused)
            case e.Paused(task_id=str(task_id)) | e.Resumed(task_id=str(task_id)):
                held = self.tasks[task_id].model_copy(update={"paused": isinstance(event, e.Paused)})
                return self.put(held)
            case e.TaskQueued() if event.task_id not in self.tasks:
                return self.put(_new_task(event))
            case e.TaskEvent():
                if isinstance(event, e.ModelCallFinished):
                    self.bills = add_call(self.bills, event)
                before = self.tasks[event.task_id]
                after = reduce_task(before, event)
                if after is not before:
                    return self.put(after)
        return None

    def put(self, task: TaskState) -> TaskState:
        """Take a task as it is, keeping the counts true."""
        before = self.tasks.get(task.id)
        if before is None or before.status != task.status:
            if before is not None:
                self.counts[before.status] -= 1
            self.counts[task.status] = self.counts.get(task.status, 0) + 1
        self.tasks[task.id] = task
        return task

    def seconds(self, now: float) -> float:
        """Wall clock of all its sessions until its end, or until `now`."""
        if self.info is None:
            return 0.0
        end = self.finished.ts if self.finished is not None else now
        return self.info.seconds_before + max(0.0, end - self.info.ts)

    @property
    def total(self) -> int:
        """Tasks, or plain requests; also those that no event has named yet."""
        return max(len(self.tasks), self.info.total_tasks if self.info else 0)

    @property
    def asleep(self) -> e.QuotaUsedUp | None:
        """The quota that calls wait for, the first that is back; None: they wait for none."""
        return min(self.quotas.values(), key=lambda quota: quota.until, default=None)

    @property
    def usage(self) -> Usage:
        return total_usage(self.bills)

    @property
    def cost(self) -> float | None:
        return total_cost(self.bills)

    def count(self, *statuses: str) -> int:
        return sum(self.counts.get(status, 0) for status in statuses)


def seconds_at_work(state: RunState) -> float:
    """Wall clock of all sessions of a run that is not running now; of one that was killed, until the last that is
    known of it."""
    seen = [task.finished_at or task.activity.since for task in state.tasks.values()]
    return state.seconds(max(seen, default=0.0))
