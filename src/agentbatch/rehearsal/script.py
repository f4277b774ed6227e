"""The scripted model's replies: one script per task, one list of steps per role."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScriptedCall(_Part):
    """One tool call in a scripted reply."""

    name: str
    arguments: dict[str, Any] | str = {}
    """A dict is sent as JSON; a str is sent unchanged, to play malformed or cut-off arguments."""
    signature: str = ""
    """Sent as Gemini sends it, in the call's `extra_content`; empty: the call has none."""


class Say(_Part):
    """A scripted answer."""

    do: Literal["say"] = "say"
    content: str = ""
    calls: list[ScriptedCall] = []
    reasoning: str = ""
    """Sent as `reasoning_content`."""
    verdict: dict[str, Any] | None = None
    """For the evaluator: sent as JSON content. Evidence of a requirement may be `@`, or `@` and words (quoting.py)."""
    checks: list[dict[str, Any]] | None = None
    """For the evaluator that is asked for checks before the work: sent as JSON content."""
    finish_reason: str | None = None
    """`tool_calls` or `stop` by default; `length` plays a cut-off reply."""
    usage: bool = True
    """False: the reply has no usage."""
    cached_tokens: int | None = None
    """None: from a simulated prefix cache (tokens of the longest prefix in common with an earlier request)."""
    delay: float = Field(0.0, ge=0)
    """Seconds before the answer, on top of the server's latency."""
    times: int | None = Field(None, ge=1)
    """None: this is the step's permanent answer. A number: only the first so many requests get it, like a Fault; plays
    a model that answers badly at first, then well."""


class Fault(_Part):
    """A scripted failure: the first `times` requests for this step get it, later ones the next step.

    `status` answers with an HTTP error (`headers` and `code` with it); `hang` never answers; `disconnect`
    closes the connection without an answer; `cut` closes it in the middle of an answer, `short` ends the answer there
    as if it were complete, `stall` sends no more but keeps the connection; `error` sends an error with `status` as its
    code after a 200, in the middle of a stream; `garbage` answers 200 with something other than JSON.
    """

    do: Literal["fault"] = "fault"
    kind: Literal["status", "hang", "disconnect", "cut", "short", "stall", "error", "garbage"] = "status"
    status: int = Field(500, ge=400, le=599)
    code: str | None = None
    """None: the code that OpenAI sends with this status."""
    message: str = "scripted fault"
    headers: dict[str, str] = {}
    times: int = Field(1, ge=1)
    body: str | None = None
    """Replaces the usual body of a `status` or `garbage` fault, to play other servers' shapes."""
    content_type: str = "application/json"


def _kind(step: object) -> str:
    """A step without `do` is a Say, so that script files stay short."""
    kind = step.get("do", "say") if isinstance(step, dict) else getattr(step, "do", "say")
    return str(kind)


Step = Annotated[Annotated[Say, Tag("say")] | Annotated[Fault, Tag("fault")], Discriminator(_kind)]


class Script(_Part):
    """The scripted replies to one task.

    The server finds the script by `prompt`: the task's exact first_prompt, anywhere in the request's messages. It is
    stateless where it can be: the coder's step is the number of assistant messages in the request, the evaluator's is
    the iteration in the evidence ("Iteration k of N"); so a resumed run continues where it was. The last evaluator step
    repeats; an evaluator's calls come one after another before what else it says. When checks are asked for, the step
    is the number of assistant messages.
    """

    prompt: str = Field(min_length=1)
    match: Literal["whole", "prefix"] = "whole"
    """`prefix`: first_prompt only has to begin with `prompt`, so that many tasks share one script."""
    coder: list[Step]
    evaluator: list[Step] = []
    checks: list[Step] = []
    """What the evaluator answers when it is asked for checks before the work; without steps, that it has none."""
