"""The APIs that a model is asked by. Everything but a request's words and its answer's is the same for both.

A body keeps chat's words until it is sent: what a refusal teaches is learnt in one form (refusals/lessons.py).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from agentbatch.model.answer.answer import Answer
from agentbatch.model.capabilities import ApiName
from agentbatch.model.http.transport import Received
from agentbatch.model.request.request import encode_body
from agentbatch.model.responses.body import responses_body
from agentbatch.model.responses.reader import StreamedResponse, read_response
from agentbatch.model.stream.stream import StreamedAnswer, read_completion
from agentbatch.usage import Usage

APIS = "apis"
"""A field of a body until it is sent: the APIs by which it may be, the first one is in use. Without it, chat."""


class AnswerReader(Protocol):
    """See `StreamedAnswer`."""

    @property
    def whole(self) -> bool: ...
    def feed(self, chunk: bytes) -> Received: ...
    def answer(self) -> Answer: ...
    def used(self) -> Usage | None: ...
    def tail(self) -> str: ...


class Api(NamedTuple):
    path: str
    """Below the base URL."""
    words: Callable[[dict[str, Any]], dict[str, Any]]
    """The body in its words, of one in chat's."""
    read: Callable[[bytes], Answer]
    """A whole answer."""
    stream: Callable[[Callable[[int], None]], AnswerReader]


_APIS: Mapping[ApiName, Api] = {
    "chat": Api("/chat/completions", lambda body: body, read_completion, StreamedAnswer),
    "responses": Api("/responses", responses_body, read_response, StreamedResponse),
}


class Sent(NamedTuple):
    api: Api
    content: bytes


def sent(body: Mapping[str, Any]) -> Sent:
    """A body as it is sent."""
    apis: tuple[ApiName, ...] = body.get(APIS) or ("chat",)
    api = _APIS[apis[0]]
    return Sent(api, encode_body(api.words({name: value for name, value in body.items() if name != APIS})))
