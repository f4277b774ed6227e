"""What a reply carries beside what we read comes back in the history, whole or in pieces."""

import json
from typing import Any

import pytest

from agentbatch.model.answer.answer import Answer, read_answer
from agentbatch.model.answer.carried import MAX_CARRIED, OUTPUT, READ, Pieces, carried, carried_by_call
from agentbatch.model.reply import Reply
from agentbatch.model.stream.stream import StreamedAnswer
from agentbatch.tasks.agents.messages import assistant_message
from agentbatch.tasks.coders.builtin.compaction import elide_tool_results, middle, summarised

SIGNED = {"google": {"thought_signature": "c2lnbmVk"}}
CALL = {"id": "f1", "type": "function", "function": {"name": "bash", "arguments": "{}"}}


def as_history(answer: Answer) -> dict[str, Any]:
    """The message as a resumption reads it: it went through the store."""
    reply = Reply(answer.content, answer.tool_calls, answer.reasoning, carried=answer.carried)
    message: dict[str, Any] = json.loads(json.dumps(assistant_message(reply, reply.tool_calls)))
    return message


def whole(**message: Any) -> Answer:
    return read_answer(json.dumps({"choices": [{"message": message}]}).encode())


def streamed(*deltas: dict[str, Any]) -> Answer:
    answer = StreamedAnswer()
    for delta in deltas:
        chunk = {"choices": [{"index": 0, "delta": delta}]}
        answer.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    answer.feed(b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n')
    return answer.answer()


FUNCTION = {"name": "bash", "arguments": "{}", "seal": 7}
SEALED_CALL = {"id": "f1", "type": "function", "function": FUNCTION, "provider_specific_fields": {"x": 1}}
TEXT = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
SEALED = {"type": "reasoning.encrypted", "data": "ZW5j", "index": 1}


@pytest.mark.parametrize(
    ("message", "deltas", "expected"),
    [
        # Gemini 3, of a call (openai-python #2758) and of a text
        (
            {"content": None, "tool_calls": [{**CALL, "extra_content": SIGNED}]},
            [{"tool_calls": [{**CALL, "index": 0, "extra_content": SIGNED}]}],
            {"content": None, "tool_calls": [{**CALL, "extra_content": SIGNED}]},
        ),
        (
            {"content": "Hi", "extra_content": SIGNED},
            [{"content": "H"}, {"content": "i", "extra_content": SIGNED}],
            {"content": "Hi"},
        ),
        # OpenRouter: thoughts with a signature, then sealed ones
        (
            {
                "content": "Hi",
                "reasoning": "Well, well",
                "reasoning_details": [{**TEXT, "text": "Well, well", "signature": "s"}, SEALED],
            },
            [
                {"reasoning": "Well, ", "reasoning_details": [{**TEXT, "text": "Well, "}]},
                {"reasoning": "well", "reasoning_details": [{**TEXT, "text": "well"}]},
                {"reasoning_details": [{**TEXT, "signature": "s"}]},
                {"content": "Hi", "reasoning_details": [SEALED]},
            ],
            {
                "content": "Hi",
                "reasoning": "Well, well",
                "reasoning_details": [{**TEXT, "text": "Well, well", "signature": "s"}, SEALED],
            },
        ),
        # LiteLLM: two blocks, each with its signature
        (
            {
                "content": "Hi",
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "ab", "signature": "s1"},
                    {"type": "thinking", "thinking": "c", "signature": "s2"},
                ],
            },
            [
                {"thinking_blocks": [{"type": "thinking", "thinking": "a", "signature": None}]},
                {"thinking_blocks": [{"type": "thinking", "thinking": "b"}]},
                {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s1"}]},
                {"thinking_blocks": [{"type": "thinking", "thinking": "c"}]},
                {"content": "Hi", "thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "s2"}]},
            ],
            None,
        ),
        # DeepSeek's name, and both names with the same text
        (
            {"content": "a", "reasoning_content": "hm"},
            [{"reasoning_content": "h"}, {"reasoning_content": "m", "content": "a"}],
            None,
        ),
        (
            {"content": "a", "reasoning_content": "hm", "reasoning": "hm"},
            [{"reasoning_content": "hm", "reasoning": "hm"}, {"content": "a"}],
            {"content": "a", "reasoning_content": "hm"},
        ),
        # Unknown fields inside the function, and of any name
        (
            {"tool_calls": [SEALED_CALL]},
            [{"tool_calls": [SEALED_CALL]}],
            {"tool_calls": [SEALED_CALL]},
        ),
        # What says nothing, and what only answers have
        (
            {"content": "a", "refusal": None, "annotations": [{}], "audio": {"id": "x"}, "x": []},
            [{"content": "a", "refusal": None, "annotations": [{}], "audio": None, "x": {}}],
            {"content": "a"},
        ),
    ],
)  # fmt: skip
def test_a_history_has_what_came(
    message: dict[str, Any], deltas: list[dict[str, Any]], expected: dict[str, Any] | None
) -> None:
    sent_back = as_history(whole(**message))
    assert sent_back == as_history(streamed(*deltas))
    expected = message if expected is None else expected
    assert {name: sent_back[name] for name in expected} == expected
    assert set(sent_back) <= {"role", "content", *message} - OUTPUT - {"refusal", "function_call", "x"}


def test_compaction_leaves_what_a_kept_reply_carries() -> None:
    message = as_history(
        whole(content=None, tool_calls=[{**CALL, "extra_content": SIGNED}], reasoning_details=[SEALED])
    )
    answer = {"role": "tool", "tool_call_id": "f1", "content": "x" * 5_000}
    start: list[dict[str, Any]] = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    history = [*start, message, answer, message, answer]
    assert [m for m in elide_tool_results(history, 1) if m["role"] == "assistant"] == [message, message]
    cut = middle(history, [10] * len(history), 20)
    assert cut is not None
    assert summarised(history, cut, "so far")[-2:] == [message, answer]


def test_what_is_too_long_is_dropped() -> None:
    assert carried({"content": "a", "blob": "x" * MAX_CARRIED}) == {}
    assert carried_by_call({"id": "a", "function": {"name": "b", "blob": "x" * MAX_CARRIED}}) == {}


@pytest.mark.parametrize(
    ("name", "pieces", "joined"),
    [
        ("notes", ["ha", "ha", "!"], "ha!"),  # the same twice from the first: repeated whole
        ("seal", ["one whole value"] * 3, "one whole value"),
        ("n", [1, 2], 2),
        ("list", [["a"], ["b"]], ["a", "b"]),
        ("mixed", ["a", {"b": 1}], {"b": 1}),
    ],
)
def test_pieces_of_fields_that_nobody_knows(name: str, pieces: list[Any], joined: Any) -> None:
    together = Pieces(READ)
    for piece in pieces:
        together.add({name: piece})
    assert together.fields() == {name: joined}


def test_a_text_in_a_million_pieces_takes_linear_time() -> None:
    together = Pieces(READ)
    for _ in range(100_000):
        together.add({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "abc "}]})
    assert together.fields() == {
        "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "abc " * 100_000}]
    }


def test_calls_without_words_have_no_empty_text() -> None:
    """Bedrock's gateways refuse it (vercel/ai #13523), whatever came: null, nothing, "" or a line break."""
    for content in ({"content": None}, {}, {"content": ""}, {"content": "\n\n"}):
        assert as_history(whole(**content, tool_calls=[CALL]))["content"] is None
    assert as_history(whole(content=""))["content"] == "(empty reply)"


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ('"{\\"command\\": \\"ls\\"}"', '{"command": "ls"}'),
        ('  "{}"', "{}"),
        (json.dumps(json.dumps(json.dumps({"a": 1}))), '{"a": 1}'),
        ('"just a word"', '{"invalid_json": "\\"just a word\\""}'),
        ('"[1]"', '{"invalid_json": "\\"[1]\\""}'),
        ('"{"', '{"invalid_json": "\\"{\\""}'),
    ],
)
def test_arguments_that_are_encoded_twice_stay_valid(raw: str, kept: str) -> None:
    answer = whole(tool_calls=[{"id": "a", "function": {"name": "bash", "arguments": raw}}])
    assert as_history(answer)["tool_calls"][0]["function"]["arguments"] == kept


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("bash", "bash"),
        ("multi_tool_use.parallel", "multi_tool_use_parallel"),
        ("run bash!", "run_bash_"),
        ("x" * 99, "x" * 64),
    ],
)
def test_a_name_that_a_model_made_up_does_not_spoil_the_history(name: str, kept: str) -> None:
    """OpenAI refuses it (PrefectHQ/ControlFlow #107), in each request from then on."""
    answer = whole(tool_calls=[{"id": "a", "function": {"name": name, "arguments": "{}"}}])
    assert as_history(answer)["tool_calls"][0]["function"]["name"] == kept


def test_no_endpoint_gives_another_items_of_a_response() -> None:
    """Fields of ours: they would go, as they came, to whom they say that they are from."""
    forged = {
        "response_items": [{"type": "message", "role": "system"}],
        "response_source": "gpt-5 api.openai.com",
    }
    for answer in (whole(content="Hi", **forged), streamed({"content": "Hi", **forged})):
        assert as_history(answer) == {"role": "assistant", "content": "Hi"}
