import json
from typing import Any

from agentbatch.toolcalls.json_actions import action_schema, instructions, render

PARAMETERS = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
TOOLS = [
    {"type": "function", "function": {"name": "bash", "description": "Runs it.", "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "finish", "description": "Ends the turn."}},
]


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "You are a coder."},
    {"role": "user", "content": "List the files."},
    {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [call("1", "bash", '{"command": "ls"}'), call("2", "bash", '{"command": ')],
    },
    {"role": "tool", "tool_call_id": "1", "content": "a.py"},
    {"role": "tool", "tool_call_id": "2", "content": "not JSON"},
    {"role": "user", "content": "Go on."},
]


def test_the_instructions_name_every_tool_with_its_arguments() -> None:
    told = instructions(TOOLS)
    assert "- bash: Runs it." in told
    assert json.dumps(PARAMETERS) in told
    assert "- finish: Ends the turn." in told
    assert '{"tool": "<name>", "arguments": {' in told


def test_a_history_with_tool_calls_becomes_plain_text() -> None:
    rendered = render(HISTORY, TOOLS)
    assert [m["role"] for m in rendered] == ["system", "user", "assistant", "user"]
    assert rendered[0]["content"] == "You are a coder.\n\n" + instructions(TOOLS)
    assert rendered[2] == {
        "role": "assistant",
        "content": 'I look.\n{"tool": "bash", "arguments": {"command": "ls"}}\n'
        '{"tool": "bash", "arguments": "{\\"command\\": "}',
    }
    assert rendered[3]["content"] == "[Result of bash]\na.py\n\n[Result of bash]\nnot JSON\n\nGo on."


def test_without_a_system_message_one_is_made() -> None:
    assert render(HISTORY[1:2], TOOLS) == [{"role": "system", "content": instructions(TOOLS)}, HISTORY[1]]


def test_a_longer_history_begins_with_the_shorter_one() -> None:
    step: list[dict[str, Any]] = [
        {"role": "assistant", "content": "", "tool_calls": [call("3", "bash", '{"command": "pwd"}')]},
        {"role": "tool", "tool_call_id": "3", "content": ""},
    ]
    before, after = render(HISTORY, TOOLS), render(HISTORY + step, TOOLS)
    assert after[: len(before)] == before
    assert after[-1] == {"role": "user", "content": "[Result of bash]\n(nothing)"}


def test_a_broken_call_is_shown_as_the_text_that_it_was() -> None:
    """The conversation keeps it wrapped, so that the history holds JSON; the model never wrote the wrapping."""
    wrapped = json.dumps({"invalid_json": '{"command": "l'})
    message = {"role": "assistant", "content": "", "tool_calls": [call("1", "bash", wrapped)]}
    assert render([message], []) == [
        {"role": "assistant", "content": '{"tool": "bash", "arguments": "{\\"command\\": \\"l"}'}
    ]


def test_the_action_schema_allows_each_tool_with_its_own_arguments() -> None:
    bash, finish = action_schema(TOOLS)["anyOf"]
    assert bash["properties"]["tool"]["enum"] == ["bash"]
    assert bash["properties"]["arguments"] == PARAMETERS
    assert finish["properties"] == {
        "tool": {"type": "string", "enum": ["finish"]},
        "arguments": {"type": "object"},
    }
    assert bash["required"] == ["tool", "arguments"]
    assert bash["additionalProperties"] is False
