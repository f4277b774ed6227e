"""What is known of one task: folded from its events, shown by every screen, file and command."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from agentbatch.config import BUILTIN
from agentbatch.runs import events as e
from agentbatch.runs.state.acceptance import AcceptedBy
from agentbatch.runs.state.bills import Bill, total_cost, total_usage
from agentbatch.text import clip
from agentbatch.usage import Usage

ActivityKind = Literal["idle", "generating", "judging", "preparing", "waiting", "retrying", "tool", "verify"]
"""`preparing`: the evaluator's model writes checks, and they are tried; `verify`: a check runs, of whatever kind."""


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


class SetupRecord(VerifyRecord):
    """A command of a task's own before or after the work."""

    kind: e.CheckKind
    seconds: float


class Said(BaseModel):
    """What the user has said to a task under way."""

    model_config = ConfigDict(frozen=True)

    seq: int
    """The number of its event."""
    ts: float
    text: str
    by: str = ""
    """Who; empty: unknown."""
    token: str = ""


class OwnSpending(BaseModel):
    """What was spent on a task itself, before it had attempts."""

    model_config = ConfigDict(frozen=True)

    bills: tuple[Bill, ...] = ()
    attempts: int = 0
    steps: int = 0


class TaskState(BaseModel):
    """One task, as its events say. Frozen: `reduce_task` makes the next one."""

    model_config = ConfigDict(frozen=True)

    id: str
    index: int
    dir: str
    first_prompt: str = ""
    """Empty where the task was read without what was said in it (`load_state`)."""
    max_iterations: int
    definition: str = ""
    depends_on: tuple[str, ...] = ()
    attempt_of: str = ""
    """It is one of several attempts at that task; empty: it is a task."""
    model: str = ""
    """The coder's, of an attempt that was given one of its own."""
    coders: tuple[str, ...] = ()
    """Who has worked on it, each once, the latest last; before it begins, who is to. Empty: `builtin`, of a run before
    there were others."""
    has_verify: bool = False
    """There are commands of the user's that must pass; of runs before this was kept, False."""
    tried: bool | None = None
    """It has several attempts; False: it had, and has begun again without; None: nothing was said of it."""
    own: OwnSpending = OwnSpending()
    """Of one with several attempts: what its figures are made of beside theirs."""
    choice: e.AttemptChosen | None = None
    """Of a task with several attempts: which was taken, and why."""
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
    place: str = ""
    """Where its commands run, for a person, e.g. `node 10.0.0.4`; empty: on the engine's machine."""
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
    setup: tuple[SetupRecord, ...] = ()
    """The latest commands of its `setup` and `teardown`, as they ran."""
    accepted_by: AcceptedBy | None = None
    """Of the latest evaluation; None: it did not accept, or is of before this was known."""
    hidden: bool | None = None
    """Whether its `hidden_verify` passed at its end; None: it has none, or it did not run."""
    said: tuple[Said, ...] = ()
    """What the user has said to it since it was written, in order; what was said to a task is said to its attempts."""
    heard: int = 0
    """The number of the latest of it that its coder was told of."""
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
    def used_its_budget(self) -> bool:
        """One of its own, which may be raised."""
        return self.status == "timeout" and self.reason == "budget"

    @property
    def may_continue(self) -> bool:
        """A later session may continue it where it was: it is not over, was only taken out of the task file, or has
        used up a budget of its own."""
        return not self.finished or self.resumable or self.reason == "left_out" or self.used_its_budget

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
    def coder(self) -> str:
        """Who works on it, or did last."""
        return self.coders[-1] if self.coders else BUILTIN

    @property
    def other_coders(self) -> str:
        """Who has worked on it, in words; empty: `builtin` alone."""
        names = [clip(one, 40) for one in self.coders]
        return "" if set(self.coders) <= {BUILTIN} else ", then ".join(names)

    @property
    def named(self) -> str:
        """Its id, and who works on it where others than `builtin` have. Harmless."""
        return f"{clip(self.id, 60)} ({clip(self.coder, 40)})" if self.other_coders else clip(self.id, 60)

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
