import json
from typing import Any

import pytest

from agentbatch.model.answer.answer import MAX_CALLS, CutError, GarbageError, RefusedError, read_answer
from agentbatch.requests.spec.answers import read_document, was_refused
from agentbatch.requests.spec.request import CHAT
from agentbatch.usage import Usage


def completion(message: Any, **choice: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, **choice}]}).encode()


def test_a_plain_answer() -> None:
    document = {
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }
    answer = read_answer(json.dumps(document).encode())
    assert (answer.content, answer.tool_calls, answer.reasoning, answer.finish_reason) == (
        "Hi",
        (),
        "",
        "stop",
    )
    assert answer.usage == Usage(input=10, output=2, calls=1)


@pytest.mark.parametrize(
    ("message", "content", "reasoning"),
    [
        ({"content": None}, "", ""),
        ({}, "", ""),
        ({"content": 7}, "", ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", ""),
        ({"content": ["a", {"type": "image_url"}, None, 3]}, "a", ""),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "a"}]},
            "a",
            "hm",
        ),
        ({"content": "a", "reasoning_content": "hm"}, "a", "hm"),
        ({"content": "a", "reasoning": "hm"}, "a", "hm"),
        ({"content": "a", "reasoning_content": None, "reasoning": {"x": 1}}, "a", ""),
        ({"content": None, "refusal": "I will not."}, "I will not.", ""),
    ],
)
def test_content_of_every_kind(message: dict[str, Any], content: str, reasoning: str) -> None:
    answer = read_answer(completion(message))
    assert (answer.content, answer.reasoning) == (content, reasoning)


@pytest.mark.parametrize(
    ("raw", "calls"),
    [
        (None, []),
        ([], []),
        ({}, []),
        ("bash", []),
        ([None, 3, {}, {"function": None}, {"function": {}}, {"function": {"name": 3}}], []),
        ([{"id": "a", "function": {"name": "bash", "arguments": '{"x": 1}'}}], [("a", "bash", '{"x": 1}')]),
        ([{"id": "a", "function": {"name": " bash ", "arguments": {"x": 1}}}], [("a", "bash", '{"x": 1}')]),
        ([{"id": "a", "function": {"name": "bash", "arguments": None}}], [("a", "bash", "{}")]),
        ([{"id": "a", "function": {"name": "bash", "arguments": " "}}], [("a", "bash", "{}")]),
        ([{"id": "a", "function": {"name": "bash"}}], [("a", "bash", "{}")]),
        ([{"id": "a", "function": {"name": "bash", "arguments": '{"x": '}}], [("a", "bash", '{"x": ')]),
    ],
)
def test_tool_calls_of_every_kind(raw: Any, calls: list[tuple[str, str, str]]) -> None:
    answer = read_answer(completion({"content": None, "tool_calls": raw}))
    assert [(c.id, c.name, c.arguments) for c in answer.tool_calls] == calls


@pytest.mark.parametrize("ids", [[None, None], ["", ""], [3, 3], ["same", "same"]])
def test_every_call_has_an_id_of_its_own(ids: list[Any]) -> None:
    raw = [{"id": given, "function": {"name": "bash", "arguments": "{}"}} for given in ids]
    first, second = read_answer(completion({"tool_calls": raw})).tool_calls
    assert first.id
    assert second.id
    assert first.id != second.id


def test_the_old_function_call_is_a_tool_call() -> None:
    answer = read_answer(completion({"function_call": {"name": "bash", "arguments": "{}"}}))
    assert [c.name for c in answer.tool_calls] == ["bash"]


@pytest.mark.parametrize(
    ("given", "calls", "expected"),
    [
        ("length", [], "length"),
        ("content_filter", [], "content_filter"),
        # Others' words (finish_reasons.py)
        ("MAX_TOKENS", [], "length"),
        ("model_length", [], "length"),
        ("SAFETY", [], "content_filter"),
        ("content_filter: PROHIBITED_CONTENT", [], "content_filter"),
        ("sensitive", [], "content_filter"),
        ("end_turn", [], "stop"),
        ("eos_token", [], "stop"),
        ("COMPLETE", [], "stop"),
        ("tool_use", [], "tool_calls"),
        ("of_its_own", [], "of_its_own"),
        ("x" * 1_000, [], "x" * 64),
        (None, [], "stop"),
        (7, [], "stop"),
        (None, [{"function": {"name": "bash"}}], "tool_calls"),
        ("stop", [{"function": {"name": "bash"}}], "stop"),
    ],
)
def test_finish_reason(given: Any, calls: list[Any], expected: str) -> None:
    assert read_answer(completion({"tool_calls": calls}, finish_reason=given)).finish_reason == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad Gateway</html>",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"3",
        b'"text"',
        b"{}",
        b'{"choices": null}',
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": [null]}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": "Hi"}]}',
        b'{"choices": [{"message": {"content": "Hi"}}]',
        b"[" * 100_000,
    ],
)
def test_a_200_without_an_answer_is_garbage(body: bytes) -> None:
    with pytest.raises(GarbageError):
        read_answer(body)


@pytest.mark.parametrize(
    ("document", "status", "message"),
    [
        ({"error": {"message": "no capacity"}}, 200, "no capacity"),
        ({"error": {"message": "slow down", "code": 429}}, 429, "slow down"),
        ({"error": {"message": "odd", "code": 999}}, 200, "odd"),
        ({"error": "broken"}, 200, "broken"),
        ({"error": {"message": "filtered", "code": "content_filter", "status": 400}}, 400, "filtered"),
        ({"error": {"message": "busy", "status": "RESOURCE_EXHAUSTED"}}, 429, "busy"),
        ({"error": {"message": "busy", "type": "ThrottlingException"}}, 429, "busy"),
        ({"error": {"message": "down", "metadata": {"status_code": 503}}}, 503, "down"),
        ({"error": {"message": "a line", "line": 404}}, 200, "a line"),
        ({"choices": [{"error": {"message": "upstream", "code": 502}}]}, 502, "upstream"),
    ],
)
def test_an_error_inside_a_200_is_an_error(document: object, status: int, message: str) -> None:
    with pytest.raises(RefusedError) as raised:
        read_answer(json.dumps(document).encode())
    assert (raised.value.error.status, raised.value.error.message) == (status, message)


def test_an_answer_that_was_filtered_may_have_no_message() -> None:
    """Azure's filter leaves it out; what was used is paid all the same."""
    choice = {"index": 0, "finish_reason": "content_filter", "content_filter_results": {}}
    usage = {"prompt_tokens": 12, "completion_tokens": 14, "total_tokens": 26}
    body = json.dumps({"choices": [choice], "usage": usage}).encode()
    answer = read_answer(body)
    assert (answer.content, answer.finish_reason) == ("", "content_filter")
    assert answer.usage == Usage(input=12, output=14, calls=1)
    document = read_document(CHAT, body)
    assert document.usage == answer.usage
    assert was_refused(document.body)


@pytest.mark.parametrize(
    "choice",
    [
        {"finish_reason": "error", "message": {"content": "Half an"}},
        {"finish_reason": "stop", "native_finish_reason": "network_error", "message": {"content": ""}},
    ],
)
def test_an_endpoint_that_gave_up_has_not_answered(choice: dict[str, Any]) -> None:
    with pytest.raises(CutError, match="gave up"):
        read_answer(json.dumps({"choices": [choice]}).encode())
    with pytest.raises(CutError, match="gave up"):
        read_document(CHAT, json.dumps({"choices": [choice]}).encode())


def test_a_reply_out_of_its_mind_keeps_its_first_calls() -> None:
    calls = [{"id": f"c{n}", "function": {"name": "bash", "arguments": "{}"}} for n in range(MAX_CALLS + 500)]
    body = {"choices": [{"message": {"content": None, "tool_calls": calls}}]}
    assert [call.id for call in read_answer(json.dumps(body).encode()).tool_calls] == [
        f"c{n}" for n in range(MAX_CALLS)
    ]
