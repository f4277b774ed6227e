"""What a transcript is made of: blocks, in the order in which things happened. They point to messages by their place
in the store, so that ten thousand of them are light."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from agentbatch.runs import events as e


class Key(NamedTuple):
    """The place of a message of the task's conversations."""

    generation: int
    position: int


Tone = Literal["plain", "warning", "error"]

CallStage = Literal["running", "done", "interrupted", "not run"]


@dataclass(frozen=True)
class Head:
    """An iteration begins with its prompt: the task itself, or what the evaluator asks for."""

    iteration: int
    most: int
    """Iterations that the task may take; 0: nobody knows."""
    prompt: str
    ts: float
    coder: str = ""
    """Who works in it, where that is not `builtin`."""


@dataclass(frozen=True)
class CoderMessage:
    """What the coder said."""

    message: Key


@dataclass(frozen=True)
class Thought:
    """What the coder thought before it spoke."""

    message: Key


@dataclass(frozen=True)
class NoteToCoder:
    """A word to the coder, beside the prompts: agentbatch's own, or the user's."""

    message: Key
    of_user: bool = False


@dataclass(frozen=True)
class Call:
    """One tool call."""

    call_id: str
    tool: str
    """Empty for one that was never carried out: its message knows."""
    summary: str
    message: Key | None
    """Has its arguments."""
    answer: Key | None = None
    """Has its output."""
    stage: CallStage = "running"
    ok: bool = True
    exit_code: int | None = None
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Check:
    """A check of the work."""

    command: str
    stage: CallStage = "running"
    exit_code: int | None = None
    tail: str = ""
    seconds: float = 0.0
    kind: e.CheckKind = "verify"
    requirement: str = ""

    @property
    def failed(self) -> bool:
        return self.stage == "done" and self.exit_code != 0


@dataclass(frozen=True)
class Judged:
    """An evaluation's outcome."""

    event: e.VerdictReached


@dataclass(frozen=True)
class Compacted:
    """The conversation was made shorter, so that it fits the model's window."""

    before: int
    after: int
    """Messages; as many as before: only old outputs were cut."""
    summary: Key
    """Where the summary stands, when there is one."""


@dataclass(frozen=True)
class Note:
    """Something worth a line: a retry, a pause, a new beginning."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True)
class TitledText:
    """A text under a title."""

    title: str
    text: str


@dataclass(frozen=True)
class End:
    status: e.FinalStatus
    reason: str
    """Empty when nobody knows."""
    error: str = ""
    branch: str = ""


Block = (
    Head | CoderMessage | Thought | NoteToCoder | Call | Check | Judged | Compacted | Note | TitledText | End
)


def is_open(block: Block) -> bool:
    """Whether it shows all that it has before anybody has opened or closed it."""
    match block:
        case Check():
            return block.failed
        case Judged() | Note() | End():
            return True
    return False


def keys_of(block: Block, opened: bool) -> list[Key]:
    """The messages that showing it needs."""
    match block:
        case CoderMessage(key):
            return [key]
        case Thought(key) | NoteToCoder(key) | Compacted(summary=key):
            return [key] if opened or isinstance(block, NoteToCoder) else []
        case Call() if opened or not block.tool:
            return [key for key in (block.message, block.answer) if key is not None]
    return []
