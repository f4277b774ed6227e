"""Reads answers of typed events, whole or streamed: those of /v1/responses and /v1/messages. Untrusted throughout."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from agentbatch.files import parse_json
from agentbatch.model.answer.answer import CutError, GarbageError
from agentbatch.model.answer.reported_usage import merged
from agentbatch.model.http.transport import MAX_BODY, Received
from agentbatch.model.stream.fragments import ending
from agentbatch.model.stream.sse import BOM, Event, EventReader
from agentbatch.model.stream.stream import CHARACTERS_PER_TOKEN, FIELDS
from agentbatch.usage import Usage

Document = Mapping[str, Any]
KEPT = 1_000
"""Pieces of an answer that are kept to show its end."""


class EventContent(NamedTuple):
    """What one event, or a whole answer, says."""

    part: bool = False
    """It is part of an answer: nothing before the first of these is handed on."""
    text: str = ""
    """Of the answer, as far as it can be shown."""
    counts: Document | None = None
    """Of tokens."""
    reason: str = ""
    """Why the answer ended, in OpenAI's words; not empty: what follows is no part of it."""
    last: bool = False
    """Nothing follows."""


class Form(Protocol):
    """One API's. Both raise RefusedError for an error, GarbageError or CutError for what is no answer."""

    def event(self, document: Document) -> EventContent: ...
    def whole(self, document: Document) -> EventContent: ...
    def usage(self, counts: Document) -> Usage | None: ...


class AnswerOutcome(NamedTuple):
    """What an answer says of itself."""

    usage: Usage | None
    finish_reason: str


class TypedEvents:
    """Reads an answer's body as it arrives, as `StreamedAnswer`."""

    def __init__(self, form: Form, on_tokens: Callable[[int], None]) -> None:
        self.whole = False
        self._form = form
        self._on_tokens = on_tokens
        self._events: EventReader | None = None
        self._head = b""
        """What arrived before the form is known."""
        self._body: list[bytes] | None = None
        """Of an answer that is no stream."""
        self._counts: dict[str, Any] = {}
        self._reason = ""
        self._over = False
        self._size = 0
        self._deltas = 0
        self._end: list[str] = []

    def feed(self, chunk: bytes) -> Received:
        if self._events is not None:
            return self._read(self._events.feed(chunk))
        if self._body is None:
            self._head += chunk
            start = self._head.removeprefix(BOM).lstrip()
            if not start or BOM.startswith(self._head):
                self._head = self._head[-len(BOM) :]
                return "nothing"
            # The body decides, not its content type: servers and proxies send the wrong one.
            if start[:1] in FIELDS:
                self._events = EventReader(MAX_BODY)
                return self._read(self._events.feed(start))
            self._body, chunk = [], start
        self._body.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_BODY:
            raise GarbageError(f"longer than {MAX_BODY // (1024 * 1024)} MB")
        return "nothing"

    def outcome(self) -> AnswerOutcome:
        """After the end of the body. Raises GarbageError, RefusedError or CutError."""
        if self._events is None:
            self._take(self._whole(b"".join(self._body or ())))
            return AnswerOutcome(self._usage(), self._reason)
        with suppress(GarbageError):  # half an event
            self._read(self._events.end())
        if not self._reason and not (self._over and self._deltas):
            raise CutError(f"the answer broke off after {self._size:,} characters")
        return AnswerOutcome(self._usage(), self._reason)

    def used(self) -> Usage | None:
        """See `StreamedAnswer.used`. What was read is told at the beginning of some streams: then it is known."""
        if self._events is None or not (self._deltas or self._counts):
            return None
        known, output = self._usage(), max(self._deltas, self._size // CHARACTERS_PER_TOKEN)
        if known is None:
            return Usage(output=output, estimated=True) if self._deltas else None
        if self.whole:
            return known.model_copy(update={"calls": 0})
        return known.model_copy(update={"output": max(known.output, output), "calls": 0, "estimated": True})

    def tail(self) -> str:
        return ending(self._end)

    def _usage(self) -> Usage | None:
        return self._form.usage(self._counts) if self._counts else None

    def _read(self, events: Sequence[Event]) -> Received:
        received: Received = "nothing"
        for event in events:
            if self._over or not event.data.strip() or event.data.strip() == b"[DONE]":
                continue
            said = self._event(event.data)
            self._take(said)
            if said.last:
                self._over = self.whole = True
                received = "end"
            elif said.part and received != "end":
                received = "trailer" if self.whole else "data"
        if received in ("data", "trailer"):
            self._on_tokens(max(self._deltas, self._size // CHARACTERS_PER_TOKEN))
        return received

    def _event(self, data: bytes) -> EventContent:
        return self._form.event(document_of(data))

    def _whole(self, body: bytes) -> EventContent:
        return self._form.whole(document_of(body))

    def _take(self, said: EventContent) -> None:
        if said.counts is not None:
            self._counts = merged(self._counts, said.counts)
        if said.reason:
            self._reason, self.whole = said.reason, True
        if said.text:
            self._deltas += 1
            self._size += len(said.text)
            self._end.append(said.text)
            if len(self._end) > KEPT:
                self._end = [self.tail()]


class TypedAnswer(TypedEvents):
    """Where what an answer says of itself is all that is wanted."""

    def answer(self) -> AnswerOutcome:
        return self.outcome()


def document_of(data: bytes) -> Document:
    """The object that it is in JSON. Raises GarbageError."""
    try:
        document = parse_json(data)
    except ValueError:
        raise GarbageError(f"not JSON but {data[:80].decode('utf-8', 'replace')!r}") from None
    if not isinstance(document, dict):
        raise GarbageError(f"a {type(document).__name__} where an object is wanted")
    return document
