"""What streams of typed events say, event by event: pure."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from agentbatch.gateway.apis.api import Api, Reader
from agentbatch.gateway.apis.messages import MessagesApi
from agentbatch.gateway.apis.responses import ResponsesApi
from agentbatch.model.answer.answer import CutError, GarbageError, RefusedError
from agentbatch.model.answer.reported_usage import MAX_NAMES, merged
from agentbatch.usage import Usage

R, M = ResponsesApi(), MessagesApi()
STARTED = {
    "type": "message_start",
    "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 90, "output_tokens": 1}},
}
TEXT = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hello there"}}
STOPPED = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 30}}
CREATED = {"type": "response.created", "response": {"status": "in_progress"}}
DELTA = {"type": "response.output_text.delta", "delta": "Hello there"}


def ended(status: str, **more: Any) -> dict[str, Any]:
    counts = {
        "input_tokens": 95,
        "input_tokens_details": {"cached_tokens": 90},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 7},
    }
    return {
        "type": f"response.{status}",
        "response": {"status": status, "usage": counts, "output": []} | more,
    }


def read(api: Api, events: Sequence[dict[str, Any]], cut: int = 10**9) -> tuple[Reader, list[str]]:
    """The stream in pieces of so many bytes."""
    reader, received = api.reader(lambda tokens: None), []
    data = b"".join(f"event: x\ndata: {json.dumps(event)}\n\n".encode() for event in events)
    for begin in range(0, len(data), cut):
        received.append(reader.feed(data[begin : begin + cut]))
    return reader, [kind for kind in received if kind != "nothing"]


@pytest.mark.parametrize("cut", [1, 7, 10**9])
@pytest.mark.parametrize(
    ("api", "events", "usage", "reason"),
    [
        (
            M,
            [STARTED, {"type": "ping"}, TEXT, STOPPED, {"type": "message_stop"}],
            Usage(input=95, cached=90, output=30, calls=1),
            "length",
        ),
        # A server that counts at the end alone; another that stops without message_stop
        (
            M,
            [
                {"type": "message_start", "message": {"usage": {"input_tokens": 0, "output_tokens": 0}}},
                {**STOPPED, "usage": {"input_tokens": 8, "output_tokens": 2}},
            ],
            Usage(input=8, output=2, calls=1),
            "length",
        ),
        (M, [{"type": "message_start", "message": {}}, TEXT, {**STOPPED, "usage": None}], None, "length"),
        (M, [TEXT, {"type": "message_stop"}], None, ""),
        (
            R,
            [CREATED, DELTA, ended("completed")],
            Usage(input=95, cached=90, output=30, reasoning=7, calls=1),
            "stop",
        ),
        (
            R,
            [CREATED, ended("completed", output=[{"type": "function_call"}])],
            Usage(input=95, cached=90, output=30, reasoning=7, calls=1),
            "tool_calls",
        ),
        (
            R,
            [DELTA, ended("incomplete", incomplete_details={"reason": "max_output_tokens"})],
            Usage(input=95, cached=90, output=30, reasoning=7, calls=1),
            "length",
        ),
        (R, [DELTA, ended("completed", usage=None)], None, "stop"),
    ],
)
def test_an_answer_to_its_end(
    api: Api, events: list[dict[str, Any]], usage: Usage | None, reason: str, cut: int
) -> None:
    reader, _ = read(api, events, cut)
    told = reader.answer()
    assert (told.usage, told.finish_reason, reader.whole) == (usage, reason, True)


@pytest.mark.parametrize(
    ("api", "events", "received"),
    [
        (M, [STARTED], []),
        (M, [STARTED, {"type": "ping"}], []),
        (M, [STARTED, TEXT], ["data"]),
        (M, [{"type": "content_block_start", "content_block": {}}], ["data"]),
        (M, [TEXT, STOPPED], ["trailer"]),
        (M, [TEXT, STOPPED, {"type": "message_stop"}], ["end"]),
        (R, [CREATED, {"type": "response.in_progress", "response": {}}], []),
        (R, [CREATED, {"type": "response.output_item.added"}], ["data"]),
        (R, [{"type": "keepalive"}, {"type": 7}], []),
        (R, [DELTA, ended("completed")], ["end"]),
    ],
)
def test_what_may_be_shown_and_keeps_a_stream_alive(
    api: Api, events: list[dict[str, Any]], received: list[str]
) -> None:
    assert read(api, events)[1] == received


@pytest.mark.parametrize(
    ("api", "events", "error"),
    [
        (M, [STARTED, TEXT], CutError),
        (M, [STARTED, {"type": "message_stop"}], CutError),
        (
            M,
            [STARTED, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}],
            RefusedError,
        ),
        (M, [{"error": {"message": "m"}}], RefusedError),
        (R, [CREATED, DELTA], CutError),
        (R, [{"type": "error", "code": "server_error", "message": "m"}], RefusedError),
        (R, [{"type": "error", "error": {"message": "m"}}], RefusedError),
        (R, [ended("failed", error={"code": "rate_limit_exceeded", "message": "m"})], RefusedError),
        (R, [ended("cancelled")], CutError),
    ],
)
def test_what_is_no_answer(api: Api, events: list[dict[str, Any]], error: type[Exception]) -> None:
    with pytest.raises(error):
        read(api, events)[0].answer()


@pytest.mark.parametrize(
    ("api", "body", "error"),
    [
        (M, b"<html>", GarbageError),
        (M, b"[1]", GarbageError),
        (M, b"{}", GarbageError),
        (M, b'{"type": "error", "error": {"type": "api_error", "message": "m"}}', RefusedError),
        (R, b"", GarbageError),
        (R, b'{"output": 3}', GarbageError),
        (R, b'{"output": [], "status": "failed", "error": {"message": "m"}}', RefusedError),
        (R, b"data: nothing\n\n", GarbageError),
        (R, b"   \n " * 1000, GarbageError),
    ],
)
def test_bodies_that_are_no_answer(api: Api, body: bytes, error: type[Exception]) -> None:
    reader = api.reader(lambda tokens: None)
    with pytest.raises(error):
        for begin in range(0, len(body), 5):
            reader.feed(body[begin : begin + 5])
        reader.answer()


@pytest.mark.parametrize(
    ("api", "events", "used"),
    [
        (M, [STARTED], Usage(input=95, cached=90, output=1, estimated=True)),
        (M, [STARTED, TEXT, TEXT], Usage(input=95, cached=90, output=5, estimated=True)),
        (M, [STARTED, TEXT, STOPPED], Usage(input=95, cached=90, output=30)),
        (M, [], None),
        (R, [CREATED], None),
        (R, [DELTA], Usage(output=2, estimated=True)),
    ],
)
def test_what_was_used_where_it_broke_off(api: Api, events: list[dict[str, Any]], used: Usage | None) -> None:
    assert read(api, events)[0].used() == used


def test_counts_of_a_stream_only_grow() -> None:
    before = {"a": 5, "b": {"c": 3}, "d": None, "e": True}
    assert merged(before, {"a": 2, "b": {"c": 9, "f": 1}, "d": 4, "e": None}) == {
        "a": 5,
        "b": {"c": 9, "f": 1},
        "d": 4,
        "e": True,
    }


def test_counts_that_nobody_knows_are_not_kept_without_end() -> None:
    counts: dict[str, Any] = {"input_tokens": 1}
    for number in range(3 * MAX_NAMES):
        counts = merged(counts, {f"n{number}": 1, "input_tokens": number})
    assert (len(counts), counts["input_tokens"]) == (MAX_NAMES, 3 * MAX_NAMES - 1)
