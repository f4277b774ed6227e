# ruff: noqa: E501 - an event is one line, as it came
"""Answers of /v1/responses, whole and streamed, in the shapes of several servers, and what is none: pure."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from agentbatch.model.answer.answer import Answer, CutError, GarbageError, RefusedError
from agentbatch.model.request.history import ITEMS
from agentbatch.model.responses.reader import MAX_ITEMS, StreamedResponse, read_response
from agentbatch.usage import Usage

REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "gAAA",
}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "status": "completed",
    "call_id": "c1",
    "name": "bash",
    "arguments": '{"command": "ls"}',
}
KEPT_CALL = {"type": "function_call", "id": "fc_1", "status": "completed"}
REFUSAL = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "content": [{"type": "refusal", "refusal": "I cannot."}],
}
COUNTS = {
    "input_tokens": 95,
    "input_tokens_details": {"cached_tokens": 90},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 7},
    "total_tokens": 125,
}
USED = Usage(input=95, cached=90, output=30, reasoning=7, calls=1)


def response(*output: Any, status: str = "completed", **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "status": status,
        "error": None,
        "incomplete_details": None,
        "output": list(output),
        "usage": COUNTS,
    } | more


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


def ended(*output: Any, status: str = "completed", **more: Any) -> dict[str, Any]:
    return event(status, response=response(*output, status=status, **more))


def whole(document: Any) -> Answer:
    return read_response(json.dumps(document).encode())


def streamed(events: Sequence[dict[str, Any]], cut: int = 10**9) -> Answer:
    reader = StreamedResponse()
    data = b"".join(f"event: {one.get('type')}\ndata: {json.dumps(one)}\n\n".encode() for one in events)
    for begin in range(0, len(data), cut):
        reader.feed(data[begin : begin + cut])
    return reader.answer()


def test_the_last_event_may_lack_its_empty_line() -> None:
    reader = StreamedResponse()
    data = f"data: {json.dumps(ended(MESSAGE))}"
    reader.feed(data.encode())
    assert reader.answer().finish_reason == "stop"
    half = StreamedResponse()
    half.feed(data[:-5].encode())
    with pytest.raises(CutError):
        half.answer()


def said(answer: Answer) -> tuple[str, list[tuple[str, str]], str]:
    return answer.content, [(call.name, call.arguments) for call in answer.tool_calls], answer.finish_reason


LS = ("bash", '{"command": "ls"}')


@pytest.mark.parametrize(
    ("document", "expected", "kept"),
    [
        (response(REASONING, MESSAGE), ("Hello", [], "stop"), [REASONING, MESSAGE]),
        (response(REASONING, MESSAGE, CALL), ("Hello", [LS], "tool_calls"), [REASONING, MESSAGE, KEPT_CALL]),
        (response(REFUSAL), ("I cannot.", [], "stop"), [REFUSAL]),
        (response(REASONING, status="incomplete", incomplete_details={"reason": "max_output_tokens"}), ("", [], "length"), [REASONING]),
        (response(status="incomplete", incomplete_details={"reason": "content_filter"}), ("", [], "content_filter"), None),
        (response(MESSAGE, status="incomplete"), ("Hello", [], "length"), [MESSAGE]),
        (response(), ("", [], "stop"), None),
        # Ollama and LM Studio: reasoning in its own words, no encryption; OpenRouter: fields of its own
        (response({"type": "reasoning", "id": "r", "content": [{"type": "reasoning_text", "text": "hm"}]}, MESSAGE), ("Hello", [], "stop"), [{"type": "reasoning", "id": "r", "content": [{"type": "reasoning_text", "text": "hm"}]}, MESSAGE]),
        (response({**REASONING, "format": "openai-responses-v1", "signature": "s"}, MESSAGE), ("Hello", [], "stop"), [{**REASONING, "format": "openai-responses-v1", "signature": "s"}, MESSAGE]),
        # several messages, content as a text, unknown kinds that ask for nothing
        (response(MESSAGE, {**MESSAGE, "id": "msg_2", "content": "!"}), ("Hello!", [], "stop"), [MESSAGE, {**MESSAGE, "id": "msg_2", "content": "!"}]),
        (response({"type": "web_search_call", "id": "ws"}, MESSAGE), ("Hello", [], "stop"), [{"type": "web_search_call", "id": "ws"}, MESSAGE]),
        # calls of tools that nobody offered would be waited for for ever; a name that is none; wrong types
        (response({"type": "computer_call", "id": "x", "call_id": "q"}, {"type": "custom_tool_call", "call_id": "z", "name": "t"}, MESSAGE), ("Hello", [], "stop"), [MESSAGE]),
        (response({**CALL, "name": " "}, {**CALL, "name": 7}, {"type": 7}, None, "text", [MESSAGE], MESSAGE), ("Hello", [], "stop"), [MESSAGE]),
        (response({**CALL, "arguments": {"command": "ls"}}), ("", [LS], "tool_calls"), [KEPT_CALL]),
        (response({**CALL, "arguments": None}), ("", [("bash", "{}")], "tool_calls"), [KEPT_CALL]),
        (response({**MESSAGE, "content": [None, {"text": 5}, {"type": "output_text", "text": "Hello"}]}), ("Hello", [], "stop"), [{**MESSAGE, "content": [None, {"text": 5}, {"type": "output_text", "text": "Hello"}]}]),
        (response({**MESSAGE, "role": "system"}), ("Hello", [], "stop"), [MESSAGE]),
        # an id twice is refused: the second goes without
        (response(REASONING, REASONING, MESSAGE), ("Hello", [], "stop"), [REASONING, {k: v for k, v in REASONING.items() if k != "id"}, MESSAGE]),
        # more than a message may carry: its words are enough
        (response({**REASONING, "encrypted_content": "x" * 1_000_001}, MESSAGE), ("Hello", [], "stop"), None),
    ],
)  # fmt: skip
def test_whole_answers(document: Any, expected: Any, kept: Any) -> None:
    answer = whole(document)
    assert said(answer) == expected
    assert answer.carried.get(ITEMS) == kept
    assert answer.usage == USED


def test_calls_have_ids_of_their_own_and_are_not_endless() -> None:
    twice = whole(response(CALL, CALL, {**CALL, "call_id": None}))
    assert len({call.id for call in twice.tool_calls}) == 3
    assert twice.tool_calls[0].id == "c1"
    many = whole(response(*[{**CALL, "id": f"fc_{n}", "call_id": f"c{n}"} for n in range(200)]))
    assert len(many.tool_calls) == len(many.carried[ITEMS]) == 128


DELTAS = [event("output_text.delta", output_index=1, item_id="msg_1", delta=text) for text in ("Hel", "lo")]
ARGUMENTS = [
    event("function_call_arguments.delta", output_index=0, item_id="fc_1", delta=text)
    for text in ('{"command":', ' "ls"}')
]
BEGUN = [
    event("created", response=response(status="in_progress")),
    event("in_progress", response=response(status="in_progress")),
]


@pytest.mark.parametrize("cut", [1, 10**9])
@pytest.mark.parametrize(
    ("events", "expected", "kept"),
    [
        # OpenAI: everything twice
        ([*BEGUN, event("output_item.added", output_index=0, item={**REASONING, "encrypted_content": "half"}), event("output_item.done", output_index=0, item=REASONING), event("output_item.added", output_index=1, item={**MESSAGE, "content": []}), *DELTAS, event("output_item.done", output_index=1, item=MESSAGE), ended(REASONING, MESSAGE)], ("Hello", [], "stop"), [REASONING, MESSAGE]),
        # its own backend for Codex: the last event has no items
        ([*BEGUN, event("output_item.done", output_index=0, item=CALL), ended()], ("", [LS], "tool_calls"), [KEPT_CALL]),
        # a server that says it at the end alone
        ([ended(MESSAGE)], ("Hello", [], "stop"), [MESSAGE]),
        # one that sends pieces alone, with and without places
        ([*DELTAS, ended()], ("Hello", [], "stop"), [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]),
        ([{k: v for k, v in d.items() if k == "type" or k == "delta"} for d in DELTAS] + [ended()], ("Hello", [], "stop"), [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]),
        ([event("output_item.added", item={**CALL, "arguments": ""}), *[{k: v for k, v in a.items() if k != "output_index"} for a in ARGUMENTS], ended()], ("", [LS], "tool_calls"), [KEPT_CALL]),
        ([event("output_item.added", output_index=0, item={**CALL, "arguments": ""}), *ARGUMENTS, event("output_item.done", output_index=0, item={**CALL, "arguments": ""}), ended()], ("", [LS], "tool_calls"), [KEPT_CALL]),
        ([event("refusal.delta", output_index=0, delta="I cannot."), ended()], ("I cannot.", [], "stop"), [{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]}]),
        ([event("reasoning_text.delta", output_index=0, delta="hm"), *DELTAS, ended()], ("Hello", [], "stop"), [{"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]),
        # done alone: LM Studio's thoughts, arguments behind gateways
        ([event("reasoning_text.done", output_index=0, text="hm"), event("output_item.added", output_index=1, item={**CALL, "arguments": ""}), event("function_call_arguments.done", output_index=1, arguments=CALL["arguments"]), ended()], ("", [LS], "tool_calls"), [{"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}, KEPT_CALL]),
        ([*DELTAS, event("output_text.done", output_index=1, text="Hello"), ended()], ("Hello", [], "stop"), [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}]),
        # cut off at the limit, with the beginning of a call
        ([event("output_item.added", output_index=0, item={**CALL, "arguments": ""}), ARGUMENTS[0], ended(status="incomplete", incomplete_details={"reason": "max_output_tokens"})], ("", [("bash", '{"command":')], "length"), [KEPT_CALL]),
        # nonsense on the way
        ([{"type": 7}, {"no": "type"}, event("output_item.done", output_index=[0], item="x"), event("output_item.done", output_index=True, item=MESSAGE), event("output_text.delta", output_index=9, delta={"a": 1}), ended(), ended(CALL)], ("Hello", [], "stop"), [MESSAGE]),
    ],
)  # fmt: skip
def test_streams(events: Any, expected: Any, kept: Any, cut: int) -> None:
    answer = streamed(events, cut)
    assert said(answer) == expected
    assert answer.carried.get(ITEMS) == kept
    assert answer.usage == USED


@pytest.mark.parametrize(
    ("events", "error", "status"),
    [
        ([*BEGUN, *DELTAS], CutError, None),
        ([], GarbageError, None),
        ([{"id": "chatcmpl-1", "choices": [{"delta": {"content": "Hi"}}]}], GarbageError, None),
        ([*DELTAS, event("completed", response=response(status="cancelled"))], CutError, None),
        ([event("failed", response=response(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}))], RefusedError, 429),
        ([event("failed", response=response(status="failed", error={"code": "server_error", "message": "oops"}))], RefusedError, 500),
        ([{"type": "error", "code": "server_error", "message": "oops", "param": None}], RefusedError, 500),
        ([{"type": "error", "error": {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "too long"}}], RefusedError, 400),
        ([*[event("output_item.done", output_index=n, item=MESSAGE) for n in range(MAX_ITEMS + 1)], ended()], GarbageError, None),
    ],
)  # fmt: skip
def test_what_is_no_answer(events: Any, error: type[Exception], status: int | None) -> None:
    with pytest.raises(error) as raised:
        streamed(events)
    if isinstance(raised.value, RefusedError):
        assert raised.value.error.status == status


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"error": {"code": "server_error", "message": "oops"}}, RefusedError),
        (response(MESSAGE, status="failed", error={"code": "server_error", "message": "oops"}), RefusedError),
        (response(MESSAGE, status="cancelled"), CutError),
        (response(MESSAGE, status="in_progress"), CutError),
        (response(status="queued"), CutError),
    ],
)  # fmt: skip
def test_whole_documents_that_are_no_answer(document: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        whole(document)


def test_events_with_nothing_in_them_are_no_data() -> None:
    reader = StreamedResponse()
    empty = [
        *BEGUN,
        event("zzz"),
        event("content_part.added", part={}),
        event("output_text.delta", delta=""),
        {"type": "keepalive"},
    ]
    assert {reader.feed(f"data: {json.dumps(one)}\n\n".encode()) for one in empty} == {"nothing"}
    data = (
        event("output_item.added", item=MESSAGE),
        DELTAS[0],
        event("reasoning_summary_text.delta", delta="h"),
    )
    assert [reader.feed(f"data: {json.dumps(one)}\n\n".encode()) for one in data] == ["data"] * 3
    assert reader.feed(f"data: {json.dumps(ended())}\n\n".encode()) == "end"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"choices": []}', b'{"output": {}}', b"[" * 100_000]
)
def test_bodies_that_are_none(body: bytes) -> None:
    with pytest.raises(GarbageError):
        read_response(body)


def test_what_a_stream_that_broke_off_has_used() -> None:
    reader = StreamedResponse()
    assert reader.used() is None
    for one in (*BEGUN, *DELTAS):
        reader.feed(f"data: {json.dumps(one)}\n\n".encode())
    used = reader.used()
    assert used == Usage(output=2, estimated=True)
    assert reader.tail() == "Hello"
