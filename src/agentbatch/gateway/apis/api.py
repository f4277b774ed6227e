"""What differs between the APIs that agents speak. Everything else is the same for all of them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.http.transport import KeyForm, Received
from agentbatch.usage import Usage

Body = dict[str, Any]


class AnswerLimits(NamedTuple):
    """What a request says of the answers that it wants."""

    output: int | None
    """Tokens of each, at most; None: it does not say, or nothing that makes sense."""
    answers: int = 1


class AnswerSummary(Protocol):
    """What an answer says of itself."""

    @property
    def usage(self) -> Usage | None: ...
    @property
    def finish_reason(self) -> str: ...


class Reader(Protocol):
    """Reads an answer's body as it arrives, streamed or whole, as `StreamedAnswer`."""

    @property
    def whole(self) -> bool: ...
    def feed(self, chunk: bytes) -> Received: ...
    def answer(self) -> AnswerSummary: ...
    def used(self) -> Usage | None: ...
    def tail(self) -> str: ...


class Api(Protocol):
    """One of them."""

    @property
    def path(self) -> str:
        """Below the base URL of the user's endpoint."""
        ...

    @property
    def key_form(self) -> KeyForm: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of an agent's request that are passed on, in lower case, and what stands for a missing one; empty:
        nothing does. All others are the agent's own business, or ours."""
        ...

    def limits(self, body: Mapping[str, Any]) -> AnswerLimits: ...

    def refusal(self, body: Mapping[str, Any]) -> str:
        """Why such a request is not passed on, as a sentence; empty: it is."""
        ...

    def sent(self, body: Body, capabilities: Capabilities) -> Body:
        """What is sent in its place to an endpoint that can do this."""
        ...

    def shown(self, part: bytes, asked: Mapping[str, Any]) -> bytes:
        """What the agent, which asked this, is to see of a part of a stream: whole events."""
        ...

    def reader(self, on_tokens: Callable[[int], None]) -> Reader: ...

    def error(self, status: int, message: str) -> Body:
        """An error's document, for this status."""
        ...

    def error_event(self, message: str) -> bytes:
        """An error in the middle of a stream."""
        ...


def count(value: Any, most: int = 10**9) -> int | None:
    """A number of something that a request gives; None for what is none. Absurd ones are cut: no budget has them."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return int(min(value, most))
