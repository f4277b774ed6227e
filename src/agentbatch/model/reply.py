"""What comes back from a model call, and how a call can fail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from agentbatch.model.capabilities import ToolMode
from agentbatch.model.limits.quota import UsedUp
from agentbatch.model.refusals.excess import NO_EXCESS, Excess
from agentbatch.model.refusals.meanings import Kind
from agentbatch.usage import Usage

NO_USAGE = Usage()

Message = dict[str, Any]
"""One chat message in the OpenAI form: role, content, and tool_calls or tool_call_id where they apply."""

ToolSpec = dict[str, Any]
"""One tool in the OpenAI form: {"type": "function", "function": {"name", "description", "parameters"}}."""


@dataclass(frozen=True)
class ToolCall:
    """One tool call that the model asked for. `arguments` is the JSON text as the model wrote it: never
    trusted."""

    id: str
    name: str
    arguments: str
    carried: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Fields of it that we do not read (carried.py), which go back with the history."""


@dataclass(frozen=True)
class Reply:
    """One answered model call."""

    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    """What the model thought, where the endpoint sent it."""
    carried: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the message that go back with the history as they came, its reasoning among them."""
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    attempts: int = 1
    """Requests sent for this reply, the answered one included."""
    latency: float = 0.0
    """Seconds from the first send to the answer, waits between attempts included."""
    tool_mode: ToolMode = "native"
    """The tool mode that the request was sent in."""

    @property
    def cut_off(self) -> bool:
        """The endpoint stopped at its output limit: content or the last tool call may be incomplete."""
        return self.finish_reason == "length"

    @property
    def filtered(self) -> bool:
        """The endpoint's content filter withheld it, or the rest of it."""
        return self.finish_reason == "content_filter"


class CallUpdate(NamedTuple):
    """What an unanswered call is doing; feeds `generating 212 tokens, 0:41 (2 retries)`.

    `waiting`: held back by a limit or a cooldown for about `seconds`. `sent`: a request was sent.
    `lost`: an attempt failed after parts of its answer had arrived, and is billed as `usage`; `beyond` it so many
    tokens of output may have been written at most.
    `retrying`: attempt `attempt` failed as `reason` says, the next one follows in `seconds`. `generating`: `tokens`
    of output have arrived in the `seconds` since the request was sent.
    """

    kind: Literal["waiting", "sent", "lost", "retrying", "generating"]
    attempt: int
    seconds: float = 0.0
    reason: str = ""
    tokens: int = 0
    """An estimate."""
    text: str = ""
    """The end of the answer so far, at most MAX_TAIL characters, for display."""
    usage: Usage = NO_USAGE
    beyond: int = 0
    status: int | None = None
    """What a failed attempt was answered; None: nothing."""


Observer = Callable[[CallUpdate], None]


ErrorKind = Kind
"""The retry classes. `rate` and `transient` were retried until the retries ran out; so was `malformed`, a reply whose
call the endpoint itself could not read. `endpoint` (401, no money left) stops the run, and so does `model` (no such
model) where it is the run's own. `quota` is one that comes back at a known time. `denied` (a 403 or 404 that does not
say whose fault it is) and `request` (other 4xx) fail the task; `overflow` asks for compaction."""


RETRIED: frozenset[ErrorKind] = frozenset({"rate", "transient", "malformed"})


class ModelError(Exception):
    """A call that failed for good. `str()` is a sentence for a person, without secrets."""

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        attempts: int = 1,
        used_up: UsedUp | None = None,
        excess: Excess = NO_EXCESS,
        written: str = "",
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.status = status
        self.attempts = attempts
        self.used_up = used_up
        """Of the kind `quota`: until when."""
        self.excess = excess
        """Of the kind `overflow`: by how much, as far as the endpoint says."""
        self.written = written if kind == "malformed" else ""
        """Of the kind `malformed`: what the model wrote instead of a call that could be read."""
