"""Assembles a streamed completion, chunk by chunk, into the same Answer as an unstreamed one."""

from collections.abc import Callable
from typing import Any

from agentbatch.files import parse_json
from agentbatch.model.answer.answer import (
    Answer,
    CutError,
    GarbageError,
    answer_of,
    is_blocked,
    raise_error,
    read_answer,
    reason_of,
    split_content,
)
from agentbatch.model.answer.carried import OURS, OUTPUT, READ, Pieces
from agentbatch.model.answer.reported_usage import merged, read_usage
from agentbatch.model.http.transport import MAX_BODY, Received
from agentbatch.model.stream.fragments import Fragments, ending, joined
from agentbatch.model.stream.sse import BOM, Event, EventReader
from agentbatch.usage import Usage

REASONING = ("reasoning_content", "reasoning")
"""The names under which thoughts stream: DeepSeek's, and OpenRouter's, Groq's and vLLM's. Both may come, with the same
text."""

CHARACTERS_PER_TOKEN = 4
"""About right for English and code; only for progress."""

PLAIN = frozenset({"role", "content"})
"""What most deltas hold, and no more."""

FIELDS = (b"d", b"e", b"i", b"r", b":")
"""First letters of an event stream's lines: data, event, id, retry, error (llama.cpp's), comments."""

PINGS = frozenset({"ping", "heartbeat", "keep-alive", "keepalive"})
"""Names of events that only keep a connection open."""


class StreamedAnswer:
    """Reads a 200's body as it arrives: a stream of chunks, or one whole completion from a server that does not
    stream. `on_tokens` is called with an estimate of the output tokens so far whenever more of a stream has arrived.

    `feed` raises GarbageError or RefusedError as soon as it is clear that there will be no answer.
    """

    def __init__(self, on_tokens: Callable[[int], None] | None = None) -> None:
        self.whole = False
        """A stream has reached [DONE] or a finish reason: whatever happens now, the answer is complete."""
        self._on_tokens = on_tokens
        self._head = b""
        """Bytes received before the format is known."""
        self._events: EventReader | None = None
        self._body: list[bytes] | None = None
        """The chunks of an unstreamed completion."""
        self._size = 0
        """Bytes of `_body`, or characters of the texts."""
        self._started = False
        self._done = False
        self._deltas = 0
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._reasoning_name = REASONING[0]
        self._refusal: list[str] = []
        self._calls = Fragments()
        self._beside = Fragments()
        """Calls of other choices; we ask for one (see `answer.py`)."""
        self._carried = Pieces(READ | OUTPUT | OURS | {*REASONING})
        self._finish_reason = ""
        self._counts: dict[str, Any] = {}
        self._usage: Usage | None = None

    def feed(self, chunk: bytes) -> Received:
        """Read a chunk of the body; returns what it contained."""
        if self._events is not None:
            return "nothing" if self._done else self._read(self._events.feed(chunk))
        if self._body is None:
            self._head += chunk
            start = self._head.removeprefix(BOM).lstrip()
            if not start or BOM.startswith(self._head):
                self._head = b"" if not start else self._head
                return "nothing"
            chunk, self._head = self._head, b""
            # The body decides, not its content type: servers and proxies send the wrong one.
            if start[:1] in FIELDS:
                self._events = EventReader(MAX_BODY)
                return self._read(self._events.feed(chunk))
            self._body = []
        self._body.append(chunk)
        self._grow(len(chunk))
        return "nothing"

    def answer(self) -> Answer:
        """The answer, after the end of the body. Raises GarbageError, RefusedError or CutError when there is none."""
        if self._events is None:
            return read_answer(b"".join(self._body or ()))
        if not self._done:
            self._read_end(self._events)
        if not self._started:
            raise GarbageError("a stream without choices")
        if not self._finish_reason and not (self._done and self._deltas):
            raise self._cut()
        message = {
            **self._carried.fields(),
            "content": joined(self._content),
            self._reasoning_name: joined(self._reasoning),
            "refusal": joined(self._refusal),
            "tool_calls": self._calls.calls() or self._beside.calls(),
        }
        return answer_of(message, self._finish_reason, self._usage)

    def tail(self) -> str:
        """The end of what has arrived so far: the answer, else the tool calls' arguments, else the reasoning."""
        return ending(self._content) or self._calls.tail() or ending(self._reasoning)

    def used(self) -> Usage | None:
        """What a stream that broke off has used: as reported, else an estimate of its output, without any input. None:
        nothing of an answer has arrived. It is no call: those are answered."""
        if self._usage is not None:
            return self._usage.model_copy(update={"calls": 0})
        return Usage(output=self._tokens(), estimated=True) if self._deltas else None

    def _tokens(self) -> int:
        # Many servers send one token per chunk, others several.
        return max(self._deltas, self._size // CHARACTERS_PER_TOKEN)

    def _read(self, events: list[Event]) -> Received:
        received = False
        for event in events:
            if event.data.strip() == b"[DONE]":
                self._done = self.whole = True
                return "end"
            received = self._chunk(event) or received
        if not received:
            return "nothing"
        if self._on_tokens is not None:
            self._on_tokens(self._tokens())
        return "trailer" if self.whole else "data"

    def _read_end(self, events: EventReader) -> None:
        try:
            self._read(events.end())
        except GarbageError:  # half a chunk
            if not self.whole:
                raise self._cut() from None

    def _cut(self) -> CutError:
        return CutError(f"the answer broke off after {self._size:,} characters")

    def _chunk(self, event: Event) -> bool:
        """Read one event; True when it is part of the answer."""
        if not event.data.strip() or event.name in PINGS:
            return False
        document = _document(event)
        if not isinstance(document, dict):
            raise_error(document)
            return False
        choices = document.get("choices")
        if document.get("error") or not isinstance(choices, list):
            raise_error(document)
        if not choices and is_blocked(document):
            self._started = self.whole = True
            self._finish_reason = "content_filter"
        if (usage := document.get("usage")) is not None:
            self._take_usage(usage)
        groq = document.get("x_groq")
        if isinstance(groq, dict):
            self._take_usage(groq.get("usage"))
        before = (self._started, self._size, self._finish_reason)
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            if choice.get("index") in (0, None):
                self._choice(choice)
            else:
                self._other_choice(choice)
        # An empty chunk does not extend the timeout: a server could send them forever.
        return (self._started, self._size, self._finish_reason) != before

    def _choice(self, choice: dict[str, Any]) -> None:
        if choice.get("error"):
            raise_error({"error": choice["error"]})
        self._started = True
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else choice.get("message")
        if isinstance(delta, dict):
            self._delta(delta)
        if (usage := choice.get("usage")) is not None:  # Moonshot
            self._take_usage(usage)
        if (reason := reason_of(choice)) != "":
            self._finish_reason, self.whole = reason, True

    def _other_choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        calls = delta.get("tool_calls") if isinstance(delta, dict) else None
        for fragment in calls if isinstance(calls, list) else ():
            self._grow(self._beside.add(fragment))

    def _delta(self, delta: dict[str, Any]) -> None:
        raw = delta.get("content")
        if isinstance(raw, str) and delta.keys() <= PLAIN:  # nearly all
            size = _append(raw, self._content)
        else:
            size = self._rest_of(delta, raw)
        if size:
            self._deltas += 1
            self._grow(size)

    def _rest_of(self, delta: dict[str, Any], raw: Any) -> int:
        """A delta with more than a piece of text; returns the number of characters in it."""
        content, thoughts = split_content(raw) if isinstance(raw, list) else (raw, "")
        size = _append(content, self._content) + self._add_reasoning(delta, thoughts)
        size += _append(delta.get("refusal"), self._refusal) + self._carried.add(delta)
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            for fragment in calls:
                size += self._calls.add(fragment)
        elif isinstance(delta.get("function_call"), dict):
            size += self._calls.add({"index": 0, "function": delta["function_call"]})
        return size

    def _add_reasoning(self, delta: dict[str, Any], thoughts: str) -> int:
        name = next((name for name in REASONING if delta.get(name)), "")
        if name and not self._reasoning:
            self._reasoning_name = name
        return _append(delta[name] if name else thoughts, self._reasoning)

    def _take_usage(self, usage: Any) -> None:
        """One chunk may have the input and another the output (Anthropic's events behind gateways), and the last one
        0 of each."""
        if isinstance(usage, dict):
            self._counts = merged(self._counts, usage)
            self._usage = read_usage(self._counts)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_BODY:
            raise GarbageError(f"longer than {MAX_BODY // (1024 * 1024)} MB")


def read_completion(body: bytes) -> Answer:
    """The answer in a 200's body, also of a server that streams though nobody asked it to. Raises GarbageError,
    RefusedError or CutError."""
    reader = StreamedAnswer()
    reader.feed(body)
    return reader.answer()


def _document(event: Event) -> Any:
    try:
        document = parse_json(event.data)
    except ValueError:
        if event.name != "error":
            raise GarbageError("a stream with a chunk that is not JSON") from None
        document = event.data.decode("utf-8", "replace")
    if event.name == "error" and not (isinstance(document, dict) and document.get("error")):
        return {"error": document}
    return document


def _append(text: Any, kept: list[str]) -> int:
    """Append a text; returns its length."""
    if text and isinstance(text, str):
        kept.append(text)
        return len(text)
    return 0
