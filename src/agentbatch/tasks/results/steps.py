"""What happened in a task, step by step: its messages with the calls that they cost and the answers of tools. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agentbatch.runs import events as e


@dataclass
class Answer:
    """What a tool answered."""

    call_id: str
    text: str = ""
    ended: e.ToolFinished | None = None
    """None: it did not run, or not to its end."""


@dataclass
class Step:
    """One message of the conversation that is no tool's; an assistant's with the answers to what it called."""

    role: str
    """`system`, `user` or `assistant`."""
    ts: float
    """Epoch seconds."""
    message: Mapping[str, Any]
    """As it was sent or came. Untrusted."""
    iteration: int
    call: e.ModelCallFinished | None = None
    """Of an assistant's: the model call that it came by."""
    answers: list[Answer] = field(default_factory=list)


class ConversationShortened(NamedTuple):
    """The conversation went on from a part of it; what it was before stands above."""


TranscriptItem = Step | ConversationShortened | e.Event


def steps(events: Iterable[e.Event]) -> list[TranscriptItem]:
    """The steps, and between them what is not said in the conversation: iterations, calls of the evaluator, calls that
    failed, checks, verdicts.

    What a shortened conversation repeats is left out.
    """
    fold = _Fold()
    for event in events:
        fold.take(event)
    return fold.found


class _Fold:
    def __init__(self) -> None:
        self.found: list[TranscriptItem] = []
        self._iteration = 0
        self._generation = 0
        self._copying = False
        """Messages of before come once more, in a new generation."""
        self._said: set[str] = set()
        self._call: e.ModelCallFinished | None = None
        self._asked: Step | None = None
        """The latest step that called tools."""

    def take(self, event: e.Event) -> None:
        if isinstance(event, e.MessageAdded):
            self._message(event)
            return
        self._copying = False
        match event:
            case e.IterationStarted():
                self._iteration = event.iteration
                self.found.append(event)
            case e.ModelCallFinished(role="coder", purpose="code", error=""):
                self._call = event
            case e.ToolFinished():
                self._answer(event.call_id).ended = event
            case e.ModelCallFinished(purpose="compact", error=""):
                pass
            case e.TurnFinished() | e.CheckFinished() | e.VerdictReached() | e.ModelCallFinished():
                self.found.append(event)

    def _message(self, event: e.MessageAdded) -> None:
        message = event.message
        role, text = str(message.get("role")), text_of(message)
        if event.generation != self._generation:
            self._generation, self._copying = event.generation, True
            self.found.append(ConversationShortened())
        if self._copying and (role not in ("system", "user") or text in self._said):
            return
        if role == "tool":
            self._answer(str(message.get("tool_call_id"))).text = text
            return
        self._said.add(text)
        step = Step(role, event.ts, message, self._iteration)
        if role == "assistant":
            step.call, self._call = self._call, None
            self._asked = step
        self.found.append(step)

    def _answer(self, call_id: str) -> Answer:
        """Of the latest step. A call that it did not make has an answer all the same, which nobody sees."""
        answers = self._asked.answers if self._asked is not None else []
        known = next((answer for answer in answers if answer.call_id == call_id), None)
        if known is None:
            known = Answer(call_id)
            answers.append(known)
        return known


def text_of(message: Mapping[str, Any]) -> str:
    """What it says: a text, or the texts of its parts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def thought_of(message: Mapping[str, Any]) -> str:
    """Its reasoning, where the endpoint sent it."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(text := message.get(name), str) and text.strip():
            return text
    return ""


def calls_of(message: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Its tool calls: id, name, and the arguments as the model wrote them."""
    found = []
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            arguments = function.get("arguments", "")
            text = arguments if isinstance(arguments, str) else str(arguments)
            found.append((str(call.get("id", "")), str(function.get("name", "")), text))
    return found
