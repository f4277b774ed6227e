"""What differs between the APIs that the server speaks: chat completions, Responses, Messages."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from agentbatch.rehearsal.faults.refusals import Dialect, Problem

Document = Mapping[str, Any]


class ParsedRequest(NamedTuple):
    """A request that can be answered."""

    body: dict[str, Any]
    """As it came."""
    chat: dict[str, Any]
    """As a chat request would say the same: model, messages, tools, stream."""


class Events(Protocol):
    def __call__(
        self, completion: Document, asked: ParsedRequest, *, usage: bool, tokens: int
    ) -> Iterator[bytes]:
        """The stream that says a completion, so many `tokens` an event. `usage`: the server gives it in streams."""
        ...


class Api(NamedTuple):
    """An API in the terms of chat completions, in which the scripted model answers."""

    read: Callable[[bytes], ParsedRequest | Problem]
    whole: Callable[[Document, ParsedRequest], Document]
    """The answer's document of a chat completion."""
    events: Events
    ending: int
    """How many events of a stream follow its last word, where it is one text."""
    done: bytes
    """What is sent after the last event."""
    error: Callable[[Problem, Dialect], Document]
    """The body of an error."""
    fallen: Callable[[Problem, Dialect], Document]
    """The body of an error after a 200 has been sent."""
    failure: Callable[[Problem, Dialect], bytes]
    """The same as an event in the middle of a stream."""
