"""A streamed completion, put together chunk by chunk into the same Answer as one in a single piece."""

import json
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json

from agentbatch.model.answer import (
    Answer,
    CutError,
    GarbageError,
    answer_of,
    raise_error,
    read_answer,
    read_usage,
    split_content,
)
from agentbatch.model.stream.fragments import Fragments, ending, joined
from agentbatch.model.stream.sse import BOM, Event, EventReader
from agentbatch.model.transport import MAX_BODY, Received
from agentbatch.usage import Usage

CHARACTERS_A_TOKEN = 4
"""About right for English and code; only for telling how far a call is."""

FIELDS = (b"d", b"e", b"i", b"r", b":")
"""How the lines of an event stream begin: data, event, id, retry, error (llama.cpp's), comments."""

PINGS = frozenset({"ping", "heartbeat", "keep-alive", "keepalive"})
"""Names of events that only keep a connection open."""


class StreamedAnswer:
    """Takes a 200's body as it comes: a stream of chunks, or one whole completion from a server that does not
    stream. `on_tokens` is told the output tokens so far, an estimate, whenever more of a stream has come.

    `feed` raises GarbageError or RefusedError as soon as it is clear that there will be no answer.
    """

    def __init__(self, on_tokens: Callable[[int], None] | None = None) -> None:
        self.whole = False
        """A stream has come to [DONE] or to a finish reason: whatever happens now, the answer is complete."""
        self._on_tokens = on_tokens
        self._head = b""
        """What came before it was clear what comes."""
        self._events: EventReader | None = None
        self._body: list[bytes] | None = None
        """The pieces of a completion in one document."""
        self._size = 0
        """Bytes of `_body`, or characters of the texts."""
        self._begun = False
        self._done = False
        self._deltas = 0
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls = Fragments()
        self._finish_reason = ""
        self._usage: Usage | None = None

    def feed(self, piece: bytes) -> Received:
        """Take a piece of the body; says what was received in it."""
        if self._events is not None:
            return "nothing" if self._done else self._hear(self._events.feed(piece))
        if self._body is None:
            self._head += piece
            start = self._head.removeprefix(BOM).lstrip()
            if not start or BOM.startswith(self._head):
                self._head = b"" if not start else self._head
                return "nothing"
            piece, self._head = self._head, b""
            # The body says what it is. Its content type does not: servers and proxies send the wrong one.
            if start[:1] in FIELDS:
                self._events = EventReader(MAX_BODY)
                return self._hear(self._events.feed(piece))
            self._body = []
        self._body.append(piece)
        self._grow(len(piece))
        return "nothing"

    def answer(self) -> Answer:
        """The answer, when the body has ended. Raises GarbageError, RefusedError or CutError when there is none."""
        if self._events is None:
            return read_answer(b"".join(self._body or ()))
        if not self._done:
            self._hear_the_last(self._events)
        if not self._begun:
            raise GarbageError("a stream without choices")
        if not self._finish_reason and not (self._done and self._deltas):
            raise self._cut()
        message = {
            "content": joined(self._content),
            "reasoning_content": joined(self._reasoning),
            "refusal": joined(self._refusal),
            "tool_calls": self._calls.whole(),
        }
        return answer_of(message, self._finish_reason, self._usage)

    def tail(self) -> str:
        """The end of what has come so far: the answer, else the tool calls' arguments, else the reasoning."""
        return ending(self._content) or self._calls.tail() or ending(self._reasoning)

    def _hear(self, events: list[Event]) -> Received:
        received = False
        for event in events:
            if event.data.strip() == b"[DONE]":
                self._done = self.whole = True
                return "end"
            received = self._chunk(event) or received
        if not received:
            return "nothing"
        if self._on_tokens is not None:
            # Many servers send one token a chunk, others several.
            self._on_tokens(max(self._deltas, self._size // CHARACTERS_A_TOKEN))
        return "last words" if self.whole else "data"

    def _hear_the_last(self, events: EventReader) -> None:
        try:
            self._hear(events.end())
        except GarbageError:  # half a chunk
            if not self.whole:
                raise self._cut() from None

    def _cut(self) -> CutError:
        return CutError(f"the answer broke off after {self._size:,} characters")

    def _chunk(self, event: Event) -> bool:
        """Take one event; True when it is part of the answer."""
        if not event.data.strip() or event.name in PINGS:
            return False
        document = _document(event)
        if not isinstance(document, dict):
            raise_error(document)
            return False
        choices = document.get("choices")
        if document.get("error") or not isinstance(choices, list):
            raise_error(document)
        self._take_usage(document.get("usage"))
        groq = document.get("x_groq")
        if isinstance(groq, dict):
            self._take_usage(groq.get("usage"))
        before = (self._begun, self._size, self._finish_reason)
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index") in (0, None):
                self._choice(choice)
        # A chunk that brings nothing is silence: it could come for ever.
        return (self._begun, self._size, self._finish_reason) != before

    def _choice(self, choice: dict[str, Any]) -> None:
        if choice.get("error"):
            raise_error({"error": choice["error"]})
        self._begun = True
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else choice.get("message")
        if isinstance(delta, dict):
            self._delta(delta)
        self._take_usage(choice.get("usage"))  # Moonshot
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            self._finish_reason, self.whole = finish, True

    def _delta(self, delta: dict[str, Any]) -> None:
        raw = delta.get("content")
        content, thoughts = split_content(raw) if isinstance(raw, list) else (raw, "")
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or thoughts
        brought = _keep(content, self._content) + _keep(reasoning, self._reasoning)
        brought += _keep(delta.get("refusal"), self._refusal)
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            for fragment in calls:
                brought += self._calls.add(fragment)
        elif isinstance(delta.get("function_call"), dict):
            brought += self._calls.add({"index": 0, "function": delta["function_call"]})
        if brought:
            self._deltas += 1
            self._grow(brought)

    def _take_usage(self, usage: Any) -> None:
        if usage is not None:
            self._usage = read_usage(usage) or self._usage

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_BODY:
            raise GarbageError(f"longer than {MAX_BODY // (1024 * 1024)} MB")


def _document(event: Event) -> Any:
    document: Any
    try:
        document = from_json(event.data)  # a third of the time of json, for every token
    except ValueError:
        try:
            document = json.loads(event.data)  # takes half a surrogate pair
        except (ValueError, RecursionError):
            if event.name != "error":
                raise GarbageError("a stream with a chunk that is not JSON") from None
            document = event.data.decode("utf-8", "replace")
    if event.name == "error" and not (isinstance(document, dict) and document.get("error")):
        return {"error": document}
    return document


def _keep(text: Any, kept: list[str]) -> int:
    """Keep a text; its characters."""
    if text and isinstance(text, str):
        kept.append(text)
        return len(text)
    return 0
