"""The door to whoever codes: all that the task loop and the evaluator know of a coder.

A coder works on one task, in the task's Workspace, turn by turn: it is given a prompt, does what it likes, and says how
the turn ended. Behind this file stands `builtin/` (a model that we call, with our tools), and beside it agents of
somebody else's, programs with tools of their own, as those of `acp/`, which speak the Agent Client Protocol:

- one turn is one prompt in the agent's session; why it stopped becomes a TurnEnd, the last thing it said its text;
- what it asks leave for is answered inside `turn`; it needs no `finish` tool and gets no key;
- what its tool calls did is noted in `work`, so that the evaluator sees the commands that ran;
- its session id is its state: it is stored with an event (AgentSession), and found in `Assignment.state` when the task
  is resumed.

To add a coder: a folder beside `builtin/` with an implementation of Coders and Coder, and of CoderKind in `makers.py`,
which has a line for it.

Nothing here is priced or counted: what a coder spends it reports while it spends it, as events (ModelCallFinished), so
that a kill in the middle of a turn loses no bill. A coder without a known price gives None as the cost.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.tasks.agents.project import Project
from agentbatch.tasks.agents.user_messages import UserMessages, no_messages
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.workspace import CommandRecord, Workspace

TurnEnd = Literal[
    "finished",
    "text",
    "stuck",
    "format_errors",
    "step_limit",
    "token_limit",
    "cost_limit",
    "broken_off",
    "silent",
]
"""How a turn ended: the coder says that it is done; plain text (a question, a report); it repeated itself without
getting anywhere; too many empty or malformed replies; a limit; its program ended or broke the protocol; nothing was
heard of it for too long. All but the first two count as a failed turn."""

TURN_ENDS: Mapping[str, str] = {
    "finished": "The Coder says that it is done.",
    "text": "The Coder ended its turn with plain text: a question or a report.",
    "stuck": "The Coder went in circles until its turn was ended.",
    "format_errors": "The Coder's replies were empty or malformed until its turn was ended.",
    "step_limit": "The Coder used up its steps before it finished.",
    "token_limit": "The Coder used up its tokens before it finished.",
    "cost_limit": "The Coder used up its money before it finished.",
    "broken_off": "The Coder's program broke off in the middle of its turn.",
    "silent": "Nothing was heard of the Coder for so long that its turn was ended.",
}
"""The same in words, for the judge and for people."""

FAILED_ENDS: frozenset[str] = frozenset(TURN_ENDS.keys() - {"finished", "text"})

LoopPattern = Literal["failing_command", "failing_edit", "same_content", "back_and_forth", "repeat"]
"""A command that fails the same way again, whatever came in between; an edit that failed before; a file written with
what it holds already; a file switched between contents that it had before; the same step, or the same two steps in
turn, with the same results."""

LOOPS: Mapping[LoopPattern, str] = {
    "failing_command": "ran the same failing command again and again",
    "failing_edit": "tried the same failing edit again and again",
    "same_content": "wrote a file with what it held already, again and again",
    "back_and_forth": "switched a file back and forth between the same contents",
    "repeat": "repeated the same call with the same result",
}
"""What the coder did until its turn was ended, after `The Coder` or `you`."""


class TurnOutcome(NamedTuple):
    """How one turn ended."""

    end: TurnEnd
    text: str
    """The coder's own summary, or the last thing it said; without keys."""
    loop: LoopPattern | None = None
    """What a stuck turn repeated."""

    @property
    def failed(self) -> bool:
        """Not of its own accord."""
        return self.end in FAILED_ENDS

    @property
    def sentence(self) -> str:
        """How it ended, without a word of the model's."""
        if self.loop is not None:
            return f"The Coder {LOOPS[self.loop]} until its turn was ended."
        return TURN_ENDS[self.end]


@dataclass
class WorkLog:
    """What the coder did since the task began, in this session of the run and in earlier ones."""

    commands: list[CommandRecord] = field(default_factory=list)
    """Shell commands that ran, in order."""
    active: bool = False
    """A file was written or a command ran, whether or not it changed anything."""
    tried_from: int = 0
    """Index into `commands`: those from here on ran after the latest change that a tool made to a file."""

    def note(self, changed: bool, command: CommandRecord | None, file: str) -> None:
        """What a tool call has done, now or in an earlier session. `file`: the path of a file with a new content."""
        self.active = self.active or changed
        if command is not None:
            self.commands.append(command)
        elif file:
            self.tried_from = len(self.commands)


class ToolTrace(NamedTuple):
    """What one finished tool call has done: what `WorkLog.note` takes."""

    changed: bool
    command: CommandRecord | None
    file: str


class PromptStyle(NamedTuple):
    """How prompts for this coder are worded."""

    words: Mapping[str, str]
    """What it calls its actions: finish, write, read, run, mend (see prompts/nudge.md and follow_up.md)."""
    weak_model: bool = False
    """Few and plain words; after a failed check it does better in a new conversation than in its old one."""


class CoderState(NamedTuple):
    """What the run's database has of a task that an earlier session left: a coder finds its own place in it."""

    events: Sequence[e.Event]
    """Since the task began, in order: those whose class says that a resumption needs them."""
    turn: Sequence[e.Event]
    """The last of them: those of the turn under way. Empty: the task was between two turns."""
    generation: int
    messages: Sequence[dict[str, Any]]
    """The latest conversation that was stored with MessageAdded, and its number; -1 when there is none."""

    @property
    def tools(self) -> list[ToolTrace]:
        """All tool calls that have finished, in order."""
        return [
            ToolTrace(event.changed, CommandRecord(**event.command) if event.command else None, event.file)
            for event in self.events
            if isinstance(event, e.ToolFinished)
        ]


async def _nothing() -> str:
    return ""


@dataclass
class Numbers:
    """Those of a task's conversations (`CoderState.generation`), whoever has them: the latest has the highest."""

    latest: int = -1

    def take(self, number: int) -> int:
        """This one is somebody's."""
        self.latest = max(self.latest, number)
        return number

    def next(self) -> int:
        return self.take(self.latest + 1)


@dataclass(frozen=True)
class Assignment:
    """What a coder is made for."""

    task: PlannedTask
    """With the directory that it works in as its `root`."""
    workspace: Workspace
    has_checks: bool
    """Checks run the work after each turn: the coder need not run it to know."""
    seconds_before: float = 0.0
    """What the task was at work in earlier sessions of the run."""
    reruns: int = 0
    """How often the task was begun again from its start: stored messages of those times stay where they are."""
    state: CoderState | None = None
    """None: the task begins."""
    project: Project = field(default_factory=Project)
    """What the project asks of the work, and what the task gives with it: the prompts have it already."""
    numbers: Numbers = field(default_factory=Numbers)
    """Shared by all coders of the task."""
    user_messages: UserMessages = field(default_factory=no_messages)
    """What the user says while the coder works. The prompts have it; one that can be told in the middle of a turn takes
    it there, one that begins a new conversation tells it again."""
    changes: Callable[[], Awaitable[str]] = _nothing
    """What was changed in the directory since the task began, as a patch that a prompt can hold: for a coder that goes
    on from it in a new conversation. It looks at the workspace, which nothing else uses meanwhile."""

    @property
    def conversation(self) -> tuple[int, Sequence[dict[str, Any]]]:
        """The number of the one to go on with, and its messages so far; none where those stored are of an earlier
        time."""
        first = self.reruns * GENERATIONS
        if self.state is None or self.state.generation < first:
            return first, ()
        return self.state.generation, self.state.messages


GENERATIONS = 1_000_000
"""More than a task's conversations ever have: each time that it begins again, its numbers start behind these."""


class CoderFailed(UserError):
    """It cannot work: its program, or a server of tools that the task requires, could not be started or ends again and
    again."""


class Coder(Protocol):
    """One task's coder. The loop calls `turn` (or once, first, `resume`) again and again, and `close` at the end.
    To make it costs nothing and starts nothing.

    A turn may be cancelled at any await; it leaves what it did, and what it stored, as it is. Errors that end the task:
    ModelError (`kind` says whether the whole run is concerned), BudgetExhausted, CoderFailed, UserError, OSError.
    """

    @property
    def work(self) -> WorkLog:
        """What it has done; read after each turn."""
        ...

    @property
    def style(self) -> PromptStyle:
        """How the next prompt is to be worded; it may change from turn to turn."""
        ...

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        """All that the coder does in answer to one prompt. `fresh`: the prompt opens a new conversation."""
        ...

    async def resume(self, prompt: str) -> TurnOutcome:
        """The rest of the turn that an earlier session of the run began with this prompt (`Assignment.state` has its
        events). No work that is known to be done is repeated."""
        ...

    def strengthen(self, iteration: int) -> str:
        """An iteration (from 1) begins, those before it were not accepted: use a stronger model from now on, if there
        is one. Its name when it changes, else empty."""
        ...

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        """The conversation so far, as messages in the OpenAI form, for the task's coder.traj.json."""
        ...

    async def close(self) -> None:
        """The task is over, or another coder takes over: end what this one started (a process, a session). Also after a
        failed turn. Where it takes over again later, `turn` is called with `fresh`."""
        ...


class Coders(Protocol):
    """One kind of coder in one run: it makes the coder of each task."""

    @property
    def tools(self) -> tuple[str, ...]:
        """The workspace's tools that it calls (`Workspace.call`); empty: it has tools of its own."""
        ...

    @property
    def command_timeout(self) -> float:
        """Seconds that a command called by the coder gets when it does not say itself."""
        ...

    async def start(self, tasks: Sequence[PlannedTask]) -> None:
        """Once before the first task starts: find out what must be known of models or programs. May be cancelled."""
        ...

    def make(self, assignment: Assignment) -> Coder:
        """The coder of one task; nothing is spent yet."""
        ...
