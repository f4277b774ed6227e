import json
from functools import partial
from typing import Any

from agentbatch.model.capabilities import TOOL_MODES, Capabilities, ToolMode
from agentbatch.model.reply import Message
from agentbatch.model.request import request
from agentbatch.model.request.request import encode_body
from agentbatch.toolcalls.blocks.rendering import REMINDER, STOP, instructions
from agentbatch.toolcalls.forms import TextForms

build_body = partial(request.build_body, forms=TextForms())

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hm", "reasoning_content": "They greet."},
    {"role": "user", "content": "Well?"},
]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "bash",
            "description": "Runs.",
            "parameters": {"type": "object", "properties": {}},
        },
    }
]
CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
OPEN: dict[str, Any] = {"type": "object", "properties": {"ok": {"type": "boolean"}}}


def test_history_is_passed_as_given() -> None:
    body = build_body("m", MESSAGES, Capabilities(), tools=TOOLS, temperature=0.2, max_output_tokens=9)
    assert body == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": MESSAGES,
        "tools": TOOLS,
        "parallel_tool_calls": True,
        "temperature": 0.2,
        "max_tokens": 9,
    }


def test_nothing_is_sent_that_nobody_asked_for() -> None:
    capabilities = Capabilities(stream=False)
    assert build_body("m", MESSAGES, capabilities) == {"model": "m", "messages": MESSAGES}


def test_what_the_endpoint_cannot_take_is_left_out() -> None:
    capabilities = Capabilities(
        output_limits=(),
        temperature=False,
        parallel_tool_calls=False,
        refused_fields=frozenset({"reasoning_content"}),
        stream=False,
    )
    body = build_body("m", MESSAGES, capabilities, tools=TOOLS, temperature=0.2, max_output_tokens=9)
    assert set(body) == {"model", "messages", "tools"}
    assert [set(m) for m in body["messages"]] == [{"role", "content"}] * 4
    assert "reasoning_content" in MESSAGES[2], "the caller's history is not touched"


def test_the_output_ladder() -> None:
    schema = ("verdict", CLOSED)
    best = build_body("m", MESSAGES, Capabilities(), schema=schema)
    assert best["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "schema": CLOSED, "strict": True},
    }
    assert best["messages"] == MESSAGES
    middle = build_body("m", MESSAGES, Capabilities(output_form="json_object"), schema=schema)
    assert middle["response_format"] == {"type": "json_object"}
    last = build_body("m", MESSAGES, Capabilities(output_form="prompt"), schema=schema)
    assert "response_format" not in last
    for body in (middle, last):
        told = body["messages"][-1]["content"]
        assert told.startswith("Well?")
        assert json.dumps(CLOSED) in told
        assert "JSON" in told
        assert body["messages"][:-1] == MESSAGES[:-1]
    assert MESSAGES[-1]["content"] == "Well?"


def test_a_schema_with_optional_parts_is_not_called_strict() -> None:
    body = build_body("m", MESSAGES, Capabilities(), schema=("v", OPEN))
    assert body["response_format"]["json_schema"]["strict"] is False
    nested = {**CLOSED, "properties": {"ok": {"type": "array", "items": OPEN}}}
    body = build_body("m", MESSAGES, Capabilities(), schema=("v", nested))
    assert body["response_format"]["json_schema"]["strict"] is False


def test_in_schema_mode_one_action_of_a_schema_is_asked_for() -> None:
    body = build_body("m", MESSAGES, Capabilities(tool_mode="schema"), tools=TOOLS)
    assert "tools" not in body
    assert "parallel_tool_calls" not in body
    assert body["response_format"]["json_schema"]["name"] == "action"
    assert "stop" not in body
    assert '"tool"' in body["messages"][0]["content"]
    assert body["messages"][-1] == MESSAGES[-1], "the instructions stand in the system message, once"


def test_in_text_mode_blocks_are_asked_for() -> None:
    body = build_body("m", MESSAGES, Capabilities(tool_mode="text"), tools=TOOLS)
    assert not {"tools", "parallel_tool_calls", "response_format"} & set(body)
    assert body["stop"] == list(STOP)
    assert body["messages"][0]["content"] == f"Be brief.\n\n{instructions(TOOLS)}"
    assert body["messages"][-1]["content"] == f"Well?\n\n{REMINDER}", "the assistant made no call before"
    assert "stop" not in build_body("m", MESSAGES, Capabilities(tool_mode="text", stop=False), tools=TOOLS)


def test_a_call_without_tools_has_neither_stop_nor_instructions() -> None:
    for mode in TOOL_MODES:
        body = build_body("m", MESSAGES, Capabilities(tool_mode=mode, stream=False))
        assert body == {"model": "m", "messages": MESSAGES}


def test_calls_of_the_past_are_text_where_tools_are_no_longer_offered() -> None:
    function = {"name": "bash", "arguments": '{"command": "ls"}'}
    history: list[Message] = [
        *MESSAGES,
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "function": function}]},
        {"role": "tool", "tool_call_id": "1", "content": "a.py"},
    ]
    told: dict[ToolMode, str] = {
        "schema": '{"tool": "bash", "arguments": {"command": "ls"}}',
        "text": "```bash\nls\n```",
    }
    for mode, text in told.items():
        body = build_body("m", history, Capabilities(tool_mode=mode))
        assert body["messages"][-2:] == [
            {"role": "assistant", "content": text},
            {"role": "user", "content": "[Result of bash]\na.py"},
        ]
        assert body["messages"][0] == MESSAGES[0]
    assert build_body("m", history, Capabilities())["messages"] == history


def test_a_schema_that_is_asked_for_stands_above_the_action() -> None:
    capabilities = Capabilities(tool_mode="schema")
    body = build_body("m", MESSAGES, capabilities, tools=TOOLS, schema=("verdict", CLOSED))
    assert body["response_format"]["json_schema"]["name"] == "verdict"


def test_without_a_system_role_its_text_goes_to_the_first_user_message() -> None:
    body = build_body("m", MESSAGES, Capabilities(system=False))
    assert body["messages"][0] == {"role": "user", "content": "Be brief.\n\nHi"}
    assert body["messages"][1:] == MESSAGES[2:]
    alone = build_body("m", MESSAGES[:1], Capabilities(system=False))
    assert alone["messages"] == [{"role": "user", "content": "Be brief."}]


def test_encoding_survives_halves_of_surrogate_pairs() -> None:
    body = {"messages": [{"role": "user", "content": "caf\u00e9 \udcff \u4e2d"}]}
    assert json.loads(encode_body(body))["messages"][0]["content"] == "caf\u00e9 ? \u4e2d"
