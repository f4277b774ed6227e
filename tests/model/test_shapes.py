"""Answers as providers send them, read as what they are: purely, and over real HTTP."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest
from aiohttp import web

from agentbatch.model.answer.answer import Answer, CutError, GarbageError, RefusedError, read_answer
from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures import failure as failures
from agentbatch.model.failures.failure import Failure, http_failure
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.reply import Message, ModelError, ToolCall
from agentbatch.model.stream.stream import StreamedAnswer
from agentbatch.requests.spec.answers import Document, document_or_failure, text_of
from agentbatch.requests.spec.request import CHAT
from agentbatch.spending.pricing import Prices
from agentbatch.usage import Usage
from tests.model.shapes import clouds, hosts, servers
from tests.model.shapes.shape import Counts, Shape

OpenEndpoint = Callable[..., Awaitable[Endpoint]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]

SHAPES: tuple[Shape, ...] = (*clouds.SHAPES, *hosts.SHAPES, *servers.SHAPES)
ONE_BY_ONE = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)


def test_there_are_enough_of_them() -> None:
    assert len(SHAPES) >= 60
    assert len({shape.provider for shape in SHAPES}) >= 15
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)
    assert all(shape.source for shape in SHAPES)


def read(shape: Shape, size: int) -> Answer | Failure:
    """As the client reads it; a stream in pieces of `size` bytes."""
    if shape.status != 200:
        return http_failure(HttpAnswer(shape.status, shape.headers, shape.body), 0.0)
    try:
        if not shape.streams:
            return read_answer(shape.body)
        reader = StreamedAnswer()
        for start in range(0, len(shape.body), size):
            reader.feed(shape.body[start : start + size])
        return reader.answer()
    except CutError as error:
        return failures.unanswered(str(error))
    except RefusedError as error:
        return failures.refused(error.error, 0.0)
    except GarbageError as error:
        return failures.unanswered(f"a 200 that is {error}")


def counts(usage: Usage | None) -> Counts | None:
    return None if usage is None else (usage.input, usage.cached, usage.output, usage.reasoning)


def matches(calls: Sequence[ToolCall], shape: Shape) -> bool:
    """The calls are those of the shape, each with an id of its own."""
    made = [call.id for call, (own, _, _) in zip(calls, shape.calls, strict=True) if own is None]
    named = [(call.id, call.name, call.arguments) for call in calls]
    wanted = [
        (own or given[0], name, text) for (own, name, text), given in zip(shape.calls, named, strict=True)
    ]
    ids = {call.id for call in calls}
    return named == wanted and len(ids) == len(calls) and all(len(one) == 9 and one.isalnum() for one in made)


def carried(content: Answer) -> list[str]:
    names = set(content.carried) | set(content.tool_calls[0].carried if content.tool_calls else ())
    return sorted(names)


@ONE_BY_ONE
def test_it_is_read_as_what_it_is(shape: Shape) -> None:
    for size in (len(shape.body) or 1, 7, 1):
        outcome = read(shape, size)
        if isinstance(outcome, Failure):
            assert (outcome.kind, outcome.wait) == (shape.kind, shape.wait), outcome
            assert shape.says in outcome.words
            continue
        assert shape.kind is None, outcome
        assert (outcome.content, outcome.reasoning) == (shape.content, shape.reasoning)
        assert outcome.finish_reason == shape.finish
        assert matches(outcome.tool_calls, shape), outcome.tool_calls
        assert counts(outcome.usage) == shape.usage
        assert carried(outcome) == list(shape.carried)
        if not shape.streams:
            break


@pytest.mark.parametrize(
    "shape", [one for one in SHAPES if one.status == 200 and not one.streams], ids=lambda shape: shape.name
)
def test_plain_requests_read_the_same(shape: Shape) -> None:
    outcome = document_or_failure(CHAT, shape.body)
    if isinstance(outcome, Document):
        assert shape.kind is None
        refused = "cannot help" in shape.content  # a refusal has a field of its own in the document
        assert text_of(CHAT, outcome.body) == ("" if refused else shape.content)
        assert counts(outcome.usage) == shape.usage
    else:
        assert outcome.kind == shape.kind


@pytest.mark.parametrize("shape", [one for one in SHAPES if one.price], ids=lambda shape: shape.name)
def test_what_it_costs(shape: Shape) -> None:
    assert shape.price is not None
    model, base_url, dollars = shape.price
    outcome = read(shape, 100)
    assert isinstance(outcome, Answer)
    assert outcome.usage is not None
    price = Prices.load(None).price(
        model, outcome.usage, datetime(2026, 11, 1, tzinfo=UTC), base_url=base_url
    )
    assert price is not None
    assert price.total == pytest.approx(dollars)


async def test_all_of_them_over_http(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    """One request each, to an endpoint of its own: a refusal would hold up the next."""
    asked: list[Shape] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()
        shape = asked[-1]
        return web.Response(status=shape.status, body=shape.body, headers=shape.headers)

    base = await serve(handle)
    messages: list[Message] = [{"role": "user", "content": "Hi"}]
    wrong: list[tuple[str, ...]] = []
    once = RetryPolicy(max_retries=0)
    for shape in SHAPES:
        asked.append(shape)
        endpoint = await open_endpoint(base, stream=shape.streams, retry=once)
        try:
            reply = await ModelClient(endpoint, "m").complete(messages)
        except ModelError as error:
            if error.kind != shape.kind or shape.says not in str(error):
                wrong.append((shape.name, str(error), error.kind))
            continue
        if shape.kind == "malformed" and "<function=" in reply.content:
            continue  # what the model wrote is read after all, once no retry is left
        usage = None if reply.usage.estimated else counts(reply.usage)
        if shape.kind or (reply.content, reply.finish_reason, usage) != (
            shape.content,
            shape.finish,
            shape.usage,
        ):
            wrong.append((shape.name, reply.content, reply.finish_reason))
    assert wrong == []
