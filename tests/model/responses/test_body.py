# ruff: noqa: E501 - a message is one line, as it came
"""Chat's words in those of /v1/responses, and a history in the items that it came in: pure."""

from typing import Any

import pytest

from agentbatch.model.request.history import ITEMS, SOURCE, of_source
from agentbatch.model.responses.body import cache_key, responses_body
from agentbatch.model.responses.items import input_of

CALL = {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
SAID_CALL = {"type": "function_call", "call_id": "c1", "name": "bash", "arguments": '{"command": "ls"}'}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "phase": "commentary",
    "content": [{"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}],
}
KEPT_CALL = {"type": "function_call", "id": "fc_1", "status": "completed"}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}


def words(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": text}


def said(content: str | None, *items: dict[str, Any], calls: Any = ()) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content, ITEMS: list(items)}
    return message | ({"tool_calls": list(calls)} if calls else {})


def test_a_whole_request() -> None:
    parameters = {"type": "object", "properties": {"command": {"type": "string"}}}
    chat = {
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Do it."},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "a.txt"},
            {"role": "system", "content": "Later."},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "bash", "description": "Runs.", "parameters": parameters},
            }
        ],
        "parallel_tool_calls": True,
        "temperature": 0.2,
        "seed": 7,
        "stop": ["x"],
        "max_completion_tokens": 900,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "v", "schema": {"type": "object"}, "strict": False},
        },
        "stream": True,
        "stream_options": {"include_usage": True},
        "include": ["reasoning.encrypted_content"],
    }
    assert responses_body(chat) == {
        "model": "gpt-5",
        "instructions": "Be brief.",
        "input": [
            {"type": "message", "role": "user", "content": "Do it."},
            SAID_CALL,
            {"type": "function_call_output", "call_id": "c1", "output": "a.txt"},
            {"type": "message", "role": "system", "content": "Later."},
        ],
        "tools": [{"type": "function", "name": "bash", "description": "Runs.", "parameters": parameters, "strict": False}],
        "parallel_tool_calls": True,
        "temperature": 0.2,
        "max_output_tokens": 900,
        "text": {"format": {"type": "json_schema", "name": "v", "schema": {"type": "object"}, "strict": False}},
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("chat", "words"),
    [
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        ({"max_tokens": 5}, {"max_output_tokens": 5}),
        ({"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}),
        ({"prompt_cache_key": "k"}, {"prompt_cache_key": "k"}),
    ],
)
def test_parts_of_requests(chat: dict[str, Any], words: dict[str, Any]) -> None:
    asked = responses_body({"model": "m", "messages": [{"role": "user", "content": "u"}], **chat})
    assert (
        asked
        == {"model": "m", "store": False, "input": [{"type": "message", "role": "user", "content": "u"}]}
        | words
    )


@pytest.mark.parametrize(
    ("message", "items"),
    [
        # as it came, every field of it
        (said("I look.", REASONING, MESSAGE, KEPT_CALL, calls=[CALL]), [REASONING, MESSAGE, {**KEPT_CALL, **SAID_CALL}]),
        # a kind that nobody knows stays where it was
        (said("I look.", REASONING, SEARCH, MESSAGE), [REASONING, SEARCH, MESSAGE]),
        # what the message says now counts: another text, calls as text, a call that was not taken
        (said("You look.", REASONING, MESSAGE, KEPT_CALL, calls=[CALL]), [REASONING, words("You look."), {**KEPT_CALL, **SAID_CALL}]),
        (said("I look.\n```bash\nls\n```", REASONING, MESSAGE, KEPT_CALL), [REASONING, words("I look.\n```bash\nls\n```")]),
        (said("Cut.", REASONING, KEPT_CALL, calls=[CALL]), [REASONING, words("Cut."), {**KEPT_CALL, **SAID_CALL}]),
        (said("I look.", REASONING, MESSAGE, KEPT_CALL, KEPT_CALL, calls=[CALL]), [REASONING, MESSAGE, {**KEPT_CALL, **SAID_CALL}]),
        (said(None, REASONING, calls=[CALL]), [REASONING, SAID_CALL]),
        (said("I look.", MESSAGE, {**KEPT_CALL, "arguments": "old", "call_id": "old"}, calls=[CALL]), [MESSAGE, {**KEPT_CALL, **SAID_CALL}]),
        # no words and no calls: reasoning has something after it, or it goes
        (said("(empty reply)", REASONING), [REASONING, words("(empty reply)")]),
        (said("", REASONING), []),
        (said(None, MESSAGE, REASONING), []),
        # of another API, or of nobody
        ({"role": "assistant", "content": "Hi", "reasoning_content": "hm", "tool_calls": [CALL]}, [words("Hi"), SAID_CALL]),
        ({"role": "assistant", "content": "Hi", ITEMS: "nonsense"}, [words("Hi")]),
        ({"role": "assistant", "content": "Hi", ITEMS: [1, None]}, [words("Hi")]),
    ],
)  # fmt: skip
def test_an_answer_goes_back_in_its_items(message: dict[str, Any], items: list[dict[str, Any]]) -> None:
    assert input_of(message) == items


def test_a_conversation_keeps_its_cache_key() -> None:
    begun = [{"role": "system", "content": "s"}, {"role": "user", "content": "Do \udcff"}]
    key = cache_key(begun)
    assert cache_key([*begun, words("a"), {"role": "user", "content": "more"}]) == key
    assert cache_key([begun[0], {"role": "user", "content": "Do that"}]) != key
    assert len(cache_key([])) == len(key) == 32


@pytest.mark.parametrize(("source", "kept"), [("gpt-5 here", True), ("gpt-5 there", False), ("", False)])
def test_items_go_back_to_where_they_came_from_alone(source: str, kept: bool) -> None:
    plain = {"role": "assistant", "content": "I look."}
    message = {**plain, ITEMS: [MESSAGE], SOURCE: "gpt-5 here"}
    assert of_source([{"role": "user", "content": "u"}, message], source)[1] == (message if kept else plain)
