"""Everything that can happen in a run. The engine emits these and nothing else; every screen is folded from them."""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from agentbatch.config.contestants import BUILTIN, Contestant, contestants, workers
from agentbatch.usage import Usage

Role = Literal["coder", "evaluator", "request"]
"""Whose call it is; `request`: a plain request's."""

Status = Literal[
    "queued", "coding", "evaluating", "paused", "completed", "error", "timeout", "cancelled", "skipped"
]
"""Status of a task. The first four are under way; the others are final."""

FinalStatus = Literal["completed", "error", "timeout", "cancelled", "skipped"]

Reason = Literal[
    "accepted",
    "max_iterations",
    "stalled",
    "blocked",
    "wall_clock",
    "budget",
    "evaluation_failed",
    "model_error",
    "workspace_error",
    "no_machine",
    "coder_error",
    "setup",
    "internal_error",
    "cancelled",
    "interrupted",
    "dependency_failed",
    "left_out",
    "superseded",
    "compared",
]
"""The fine print of a final status. `cancelled`: it was asked for; `interrupted`: the run ended before the task
did; `left_out`: the task is not in the task file any more; `superseded`: another attempt at the same task was
completed first; `compared`: its attempts are other models', and none was chosen."""


DecidedBy = Literal["judge", "verify", "checks", "gates"]
"""Who decided an iteration: the judge was asked; the task's own `verify` alone; another check that failed; nothing had
been done or said."""

CheckKind = Literal[
    "verify", "sound", "example", "tests", "own", "steady", "load", "look", "setup", "teardown"
]
"""What a check is: the task's own command; whether changed files are sound in their form; an example that stands in
the task; tests that the project has; one that the evaluator wrote before the work began; whether the checks leave the
work as it is; whether a changed program that nothing has run can be loaded; what the judge itself ran or read before
its verdict. `setup` and `teardown` are none, and stand in no verdict: commands of the task's own before and after the
work, told as checks are."""


Purpose = Literal["code", "judge", "checks", "compact"]
"""What a model is called for; `checks`: to write checks before the work begins."""

Replay = Literal["none", "latest", "every"]
"""Which of a run's stored events of one type are folded again when the run is opened."""

EVENT_TYPES: dict[str, type["Event"]] = {}
"""Every event class by its `type`; a class registers itself."""


class Event(BaseModel):
    """One thing that happened. The class says itself where it belongs; nothing lists the types.

    `seq` and `ts` (seconds since the epoch) are set by the store when the event is emitted. An event of a type that
    only a newer version knows is read as this class.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)  # few commands meet events of every class

    stored: ClassVar[bool] = True
    """False: only for viewers; it has the number of the event before it and is not written to `events`."""
    replay: ClassVar[Replay] = "none"
    """What this says of a run stands nowhere else: it is folded again when the run is opened. What an event says of a
    task stands in that task's row."""
    resumes: ClassVar[bool] = False
    """An interrupted task's place is found from it: it is part of the task's history on resume."""

    type: str = ""
    seq: int = 0
    ts: float = 0.0

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        name = cls.model_fields["type"].default
        if name and EVENT_TYPES.setdefault(name, cls) is not cls:
            raise TypeError(f"Two classes of events have the type {name!r}.")

    @property
    def of_run(self) -> bool:
        """It says something of the run, not only of one task."""
        return getattr(self, "task_id", None) is None


class TaskEvent(Event):
    task_id: str


class RunStarted(Event):
    """A run begins, or is resumed in another process: everything here is as it is from now on."""

    replay: ClassVar[Replay] = "every"
    type: Literal["run_started"] = "run_started"
    run_id: str
    kind: Literal["tasks", "requests"] = "tasks"
    """`requests`: a batch of plain model requests. It has no tasks: RequestsProgressed says how far it is."""
    session: int = 1
    """2 and more: the run was resumed."""
    seconds_before: float = 0.0
    """Wall clock of the sessions before this one."""
    settings: dict[str, Any] = {}
    """What was set by flags, variables and .env, without keys: what a resumption compares itself with."""
    flags: dict[str, Any] = {}
    """The part of the settings that came from the command line: a resumption starts from these."""
    task_file: str = ""
    """Resolved. Of plain requests: their input file."""
    output: str = ""
    """Resolved: where the answers of plain requests go."""
    own_files: dict[str, str] = {}
    """Of a run whose tasks could write there: digests of agents/, prompts/, .env, prices and task file, by path."""
    results: str = ""
    """Resolved: the results file of tasks; earlier runs do not say it."""
    version: str
    """agentbatch's version."""
    mode: Literal["serial", "parallel", "test", ""] = ""
    """Of tasks. Plain requests have none; earlier runs say `parallel`."""
    max_concurrent: int
    total_tasks: int
    """Of plain requests: their number."""
    coder_model: str
    """Of plain requests: their model; so is the endpoint."""
    coders: list[str] = []
    """All that may work on a task, the run's own first; empty: earlier runs do not say it."""
    own_models: list[str] = []
    """Those of them that call their models themselves, which ones is not known."""
    evaluator_model: str = ""
    """Plain requests have none; earlier runs say `none`."""
    coder_endpoint: str
    evaluator_endpoint: str = ""
    provider_batch: bool = False
    """Plain requests that go through the provider's batch service, at its pace."""
    judged: bool = True
    """False: there is no evaluator, each task's verify decides."""
    rehearsal: bool = False
    """Scripted replies, no AI."""
    sandbox: str = "none"
    """The sandbox in force: `bubblewrap`, `none`, `podman`, `docker`, or two of them, `bubblewrap and podman`."""
    cluster: str = ""
    """Whose machines tasks' commands run on, in words; empty: this one."""
    prompts_digest: str = ""
    """sha256 over the prompts in use, prompts/safety.md among them."""
    warnings: list[str] = []

    @property
    def coder(self) -> str:
        """Who works on tasks that do not say it."""
        return str(self.settings.get("coder_name") or BUILTIN)

    @property
    def worker(self) -> str:
        """Who works on the tasks, in words: the model, with the coders' names where there are others than `builtin`."""
        own = self.own_models or self.settings.get("coder_login") or ()
        return workers(self.coders or (self.coder,), self.coder_model, own)

    @property
    def compared(self) -> tuple[Contestant, ...]:
        """Who is compared on every task; empty: it is no comparison."""
        coders, models = (self.settings.get(name) for name in ("coders", "models"))
        return contestants(*(map(str, one) if isinstance(one, list) else () for one in (coders, models)))


ATTEMPT_MARK = "@"
"""Between a task's id and the number of an attempt at it: no id of a user's has it."""


def attempt_id(task_id: str, number: int) -> str:
    """Of an attempt, counted from 1."""
    return f"{task_id}{ATTEMPT_MARK}{number}"


def attempt_number(attempt_id: str) -> int:
    """Of an attempt, by its id."""
    return int(attempt_id.rpartition(ATTEMPT_MARK)[2])


class TaskQueued(TaskEvent):
    """A task waits for its start. For a finished task: it runs again from the start."""

    type: Literal["task_queued"] = "task_queued"
    index: int
    """Place in task.json, from 0."""
    dir: str
    first_prompt: str
    max_iterations: int
    definition: str = ""
    """A digest of what the task asks for and how it is checked: a task whose digest changed is run afresh."""
    depends_on: list[str] = []
    max_cost: float | None = None
    """US dollars; None: the task has no budget of its own."""
    max_tokens: int | None = None
    tried: bool = False
    """It is tried more than once, by attempts of its own."""
    attempt_of: str = ""
    """It is one of several attempts at that task; empty: it is a task."""
    model: str = ""
    """The coder's, of an attempt that was given one of its own."""
    coder: str = ""
    """Who is to work on it; empty: `builtin`, of a run before there were others."""
    has_verify: bool = False


class TaskStarted(TaskEvent):
    type: Literal["task_started"] = "task_started"


class TaskRequeued(TaskEvent):
    """A task that an interruption ended waits for its turn again; `TaskResumed` follows when it starts."""

    type: Literal["task_requeued"] = "task_requeued"
    seconds_before: float = 0.0
    """What it was at work in earlier sessions of the run."""
    max_cost: float | None = None
    max_tokens: int | None = None
    """Its own budget from now on."""
    max_iterations: int | None = None
    """From now on; None: as it was."""
    coder: str = ""
    """Who is to work on it where nobody has begun; empty: as it was."""


class TaskResumed(TaskEvent):
    """A task continues where an earlier session of the run left it."""

    type: Literal["task_resumed"] = "task_resumed"


class TaskPlaced(TaskEvent):
    """Where a task's commands run from now on, where that is not the engine's machine."""

    type: Literal["task_placed"] = "task_placed"
    place: str
    """For a person: `node 10.0.0.4`, `waiting for a node`."""
    waits: bool = False
    """There is no such machine yet."""


class TurnFinished(TaskEvent):
    """The coder's turn is over; its evaluation follows."""

    resumes: ClassVar[bool] = True
    type: Literal["turn_finished"] = "turn_finished"
    iteration: int
    end: str
    """How: see tasks.coders.coder.TurnEnd."""
    text: str
    circle: str = ""
    """How a stuck turn went in circles."""


class IterationStarted(TaskEvent):
    resumes: ClassVar[bool] = True
    type: Literal["iteration_started"] = "iteration_started"
    iteration: int
    """From 1."""
    prompt: str
    coder: str = ""
    """Who works in it, as `TaskQueued.coder`."""

    @property
    def other_coder(self) -> str:
        """Empty: `builtin`."""
        return "" if self.coder == BUILTIN else self.coder


class ModelCallStarted(TaskEvent):
    type: Literal["model_call_started"] = "model_call_started"
    role: Role
    model: str
    purpose: Purpose = "code"


class ModelCallRetried(TaskEvent):
    """An attempt failed and another follows in `wait` seconds."""

    type: Literal["model_call_retried"] = "model_call_retried"
    role: Role
    attempt: int
    wait: float
    error: str
    status: int | None = None
    """What was answered, 429 for instance; None: no answer came, or an earlier version wrote this."""


class RateLimited(TaskEvent):
    """A call is held back for about `wait` seconds by a limit of ours or a 429's cooldown."""

    type: Literal["rate_limited"] = "rate_limited"
    role: Role
    wait: float
    cause: str


class ModelCallSent(TaskEvent):
    """A request went out (again): the waiting is over, generating starts."""

    type: Literal["model_call_sent"] = "model_call_sent"
    role: Role
    attempt: int


class ModelCallProgressed(TaskEvent):
    """A reply is streaming in."""

    stored: ClassVar[bool] = False
    type: Literal["model_call_progressed"] = "model_call_progressed"
    role: Role
    tokens: int
    """Output tokens so far, estimated."""
    seconds: float
    """Since the request went out."""
    text: str = ""
    """The end of the answer so far."""


class ModelCallFinished(TaskEvent):
    resumes: ClassVar[bool] = True
    type: Literal["model_call_finished"] = "model_call_finished"
    role: Role
    model: str
    purpose: Purpose = "code"
    usage: Usage
    cost: float | None
    """US dollars; None when the price is unknown (shown as –, never as $0)."""
    cost_input: float | None = None
    cost_output: float | None = None
    stronger: str = ""
    """The model that may take over from this one later in the task; empty: none will."""
    stronger_cost: float | None = None
    """What the same tokens would have cost there."""
    coder: str = ""
    """Who asked, a name of agents/coders.toml; empty: `builtin`, or no coder."""
    next_coder: str = ""
    """Another coder that may take over later in the task; empty: none will."""
    latency: float
    attempts: int
    finish_reason: str = ""
    error: str = ""
    """Not empty: the call failed for good, as the sentence says."""
    kind: str = ""
    """Of that failure (model.reply.ErrorKind)."""
    status: int | None = None
    """What the last attempt of a failed call was answered; None: nothing."""
    told: bool = False
    """A whole turn of an agent with a login of its own, as it tells it: nothing of ours has counted it."""


class MessageAdded(TaskEvent):
    """One message of the coder's conversation. The `messages` table keeps the body, the event its place.

    Compaction starts a new `generation`, whose messages replace those of the one before.
    """

    type: Literal["message"] = "message"
    generation: int = 0
    index: int
    message: dict[str, Any] = Field(default_factory=dict)


class ToolCalled(TaskEvent):
    resumes: ClassVar[bool] = True
    type: Literal["tool_called"] = "tool_called"
    call_id: str
    tool: str
    summary: str
    """One line for a person: the command, the path."""


class ToolFinished(TaskEvent):
    resumes: ClassVar[bool] = True
    type: Literal["tool_finished"] = "tool_finished"
    call_id: str
    tool: str
    ok: bool
    exit_code: int | None = None
    seconds: float
    summary: str = ""
    changed: bool = False
    """A file was written or a command ran."""
    command: dict[str, Any] | None = None
    """What ran, as evidence: command, exit_code, tail, seconds."""
    file: str = ""
    """The path of a file that has a new content."""


class ToolsOffered(TaskEvent):
    """The tools of servers that the task's model has beside ours, for as long as the task goes on."""

    resumes: ClassVar[bool] = True
    type: Literal["tools_offered"] = "tools_offered"
    tools: list[dict[str, Any]]
    """As `mcp.tools.ServerTool`: whose they are, their names, descriptions and schemas."""


class AgentSession(TaskEvent):
    """A coder that is a program of somebody else's works in this session of its own from now on."""

    resumes: ClassVar[bool] = True
    type: Literal["agent_session"] = "agent_session"
    coder: str
    """By its name in agents/coders.toml."""
    session: str
    """The program's own id of it; empty: it has none."""
    agent: str = ""
    """The program's name and version, as it gives them."""
    taken_up: bool = False
    """It has been in this session before."""
    late: bool = False
    """It is known only by what was heard in it: it began before events that stand in front of this one."""


class UserSaid(TaskEvent):
    """The user has said something to a task under way: it is part of what the task asks for."""

    type: Literal["user_said"] = "user_said"
    text: str
    by: str = ""
    """Who, as the process names them that sent it; empty: unknown."""
    token: str = ""
    """Of the command that asked for it: one that was carried out is not taken for one that was not."""


class UserHeard(TaskEvent):
    """The coder has been told all that the user has said so far, in the message or prompt that is stored with this."""

    type: Literal["user_heard"] = "user_heard"
    upto: int
    """Number of the latest `UserSaid` among it."""


class Visited(TaskEvent):
    """The user had a shell in the task's place while it stood still."""

    type: Literal["visited"] = "visited"
    seconds: float = 0.0
    changed: list[str] | None = None
    """Files of its directory that were changed meanwhile; None: it is not known."""


class ProjectRead(TaskEvent):
    """Files of the project were read for the task: AGENTS.md, and what the task names."""

    resumes: ClassVar[bool] = True
    type: Literal["project_read"] = "project_read"
    files: dict[str, str]
    """Digests of their texts, by path relative to the task's directory."""
    rules: str = ""
    """Which of them is AGENTS.md: other coders than `builtin` read it themselves. Empty: none, or not known."""


class EvaluatorPrepared(TaskEvent):
    """The evaluator knows what it will check the work by, before any work is done."""

    resumes: ClassVar[bool] = True
    type: Literal["evaluator_prepared"] = "evaluator_prepared"
    record: dict[str, Any]
    """The evaluator's own (tasks.evaluator: Checks.record), so that a resumption need not prepare again."""


class SetUp(TaskEvent):
    """All of a task's `setup` is done in the place where it works; what is there now is how the work begins."""

    resumes: ClassVar[bool] = True
    type: Literal["set_up"] = "set_up"
    kept: bool = False
    """It was there, kept of an earlier one."""


class CheckStarted(TaskEvent):
    """A check begins; its type, and that of its end, are as versions wrote them that knew no check but `verify`."""

    type: Literal["verify_started"] = "verify_started"
    kind: CheckKind = "verify"
    command: str
    """The command, or what is looked at, in words."""


class CheckFinished(TaskEvent):
    type: Literal["verify_finished"] = "verify_finished"
    kind: CheckKind = "verify"
    command: str
    exit_code: int | None
    """None: it did not end within its time."""
    tail: str
    seconds: float
    requirement: str = ""
    """What of the task it is for, where that is known."""


class CheckLine(BaseModel):
    """One check of an evaluation, in short."""

    model_config = ConfigDict(frozen=True)

    kind: CheckKind
    command: str
    passed: bool
    requirement: str = ""
    note: str = ""
    """What became of it, e.g. that the judge found it wrong."""
    counts: bool = True
    """False: it failed, and that does not speak against the work."""
    said: str = ""
    """The last line that it printed, of one that failed."""


class VerdictReached(TaskEvent):
    """The outcome of one evaluation, decided by gates, verify or the judge."""

    resumes: ClassVar[bool] = True
    type: Literal["verdict"] = "verdict"
    iteration: int
    accepted: bool
    decided_by: DecidedBy = "judge"
    verdict: dict[str, Any] | None
    """The judge's Verdict as it came; None when no judge ran or its answers could not be read."""
    refusals: list[str] = []
    """Why it is not accepted, a sentence each: gates, verify, contradictions, missing requirements."""
    tampering: list[str] = []
    """Changed test files and restored protected paths."""
    checks: list[CheckLine] = []
    """The checks that ran, in order."""
    decision: Literal["continue", "done"]
    follow_up: str = ""
    anew: bool = False
    """`follow_up` opens a new conversation."""
    evaluated: dict[str, Any] = {}
    """What the decision was made from (tasks.evaluator: Found.record), so that a resumption can make it again."""
    judged: str = ""
    """Digest of the directory as it was judged; empty: not known."""


class HiddenVerified(TaskEvent):
    """What a task's `hidden_verify` says of its work at its end. No model learns of it."""

    type: Literal["hidden_verified"] = "hidden_verified"
    passed: bool
    command: str = ""
    """The one that failed."""
    tail: str = ""
    """The end of what that one printed."""


class AttemptStanding(BaseModel):
    """How one attempt at a task compares with the others."""

    model_config = ConfigDict(frozen=True)

    attempt: str
    """Its id."""
    completed: bool
    passed: int = 0
    """Of `checks`, those of all attempts that could be tried on all of them."""
    checks: int = 0
    alike: int = 1
    """Attempts, itself among them, that gave the same in every check."""
    score: float = 0.0
    """The judge's, of its latest evaluation: 0 to 1."""
    hidden: bool | None = None
    """What its `hidden_verify` says; nothing here was decided by it."""
    cost: float | None = None
    tokens: int | None = 0
    """None: unknown."""
    problem: str = ""
    """Why it cannot be taken, as part of a sentence, whatever its end was."""


class AttemptChosen(TaskEvent):
    """Of a task's attempts, all over, the best: its work becomes the task's."""

    resumes: ClassVar[bool] = True
    type: Literal["attempt_chosen"] = "attempt_chosen"
    attempt: str
    """Its id; empty: there was none to choose."""
    why: str
    """A sentence."""
    standings: list[AttemptStanding] = []
    """Of all, the best first."""


class TaskFinished(TaskEvent):
    type: Literal["task_finished"] = "task_finished"
    status: FinalStatus
    reason: Reason
    error: str = ""
    last_response: str = ""
    last_evaluation: str = ""
    changed_files: int = 0
    resumable: bool = False
    """The task was not at its end: a resumption continues it."""
    branch: str = ""
    """The git branch that holds its work, with isolation `worktree`."""


class RequestsProgressed(Event):
    """How far a batch of plain requests is, over all its sessions. Once a second at most, and once at the end."""

    replay: ClassVar[Replay] = "latest"
    type: Literal["requests_progressed"] = "requests_progressed"
    total: int
    ok: int
    failed: int
    attempts: int = 0
    """Requests sent, retries included."""
    refused: int = 0
    """Attempts of this session that were answered 429."""
    in_flight: int = 0
    seconds_left: float | None = None
    """None: unknown."""
    usage: Usage = Usage()
    cost: float | None = 0.0
    """US dollars; None when a price is unknown."""
    worth_a_line: bool = False
    """True for the periodic and final progress lines of the log."""


class ConcurrencyChanged(Event):
    replay: ClassVar[Replay] = "every"
    type: Literal["concurrency_changed"] = "concurrency_changed"
    max_concurrent: int


class Paused(Event):
    replay: ClassVar[Replay] = "every"
    type: Literal["paused"] = "paused"
    task_id: str | None = None
    cause: str = ""


class Resumed(Event):
    replay: ClassVar[Replay] = "every"
    type: Literal["resumed"] = "resumed"
    task_id: str | None = None


class QuotaUsedUp(Event):
    """The quota of an endpoint is used up; its calls wait until it is back."""

    replay: ClassVar[Replay] = "every"
    type: Literal["quota_used_up"] = "quota_used_up"
    endpoint: str
    """Its host."""
    until: float
    """Epoch seconds."""
    cause: str = ""
    """The refusal as a sentence."""


class QuotaReturned(Event):
    """The calls to an endpoint go on: its quota should be back."""

    replay: ClassVar[Replay] = "every"
    type: Literal["quota_returned"] = "quota_returned"
    endpoint: str


class Notice(Event):
    """Something a person should know that belongs to no other event: a warning, a learnt limitation."""

    replay: ClassVar[Replay] = "every"
    type: Literal["notice"] = "notice"
    task_id: str | None = None
    text: str
    warning: bool = True
    """False: worth a line when it happens, not worth repeating at the end."""
    urgent: bool = False
    """Somebody should come and look: worth a message to whom `--notify` names."""

    @property
    def of_run(self) -> bool:
        return True


class RunFinished(Event):
    replay: ClassVar[Replay] = "every"
    type: Literal["run_finished"] = "run_finished"
    interrupted: bool = False
    error: str = ""
    """Not empty: the run was stopped for this cause (endpoint refused the key, no quota left)."""
