# ruff: noqa: E501 - a body is one line, as it came
"""Schemas of tools where an endpoint refuses what limits a value."""

from dataclasses import replace
from typing import Any

import pytest

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.refusals.lessons import learn
from agentbatch.model.refusals.server_error import read_error
from agentbatch.model.request.request import build_body
from agentbatch.model.request.tool_schemas import limits_in, plain_tools
from agentbatch.tasks.coders.builtin.toolbox import TOOLS as TOOLBOX
from agentbatch.workspace.tools.toolbox import specs

TOOLS = specs(TOOLBOX)
FULL = Capabilities()
BODY = build_body("m", [{"role": "user", "content": "Hi"}], FULL, tools=TOOLS)


def test_nothing_but_what_every_endpoint_takes_is_left() -> None:
    plain = plain_tools(TOOLS)
    assert limits_in(TOOLS) >= {"exclusiveMinimum", "minLength", "default", "additionalProperties"}
    assert limits_in(plain) == set()
    bash = plain[0]["function"]["parameters"]
    assert bash["required"] == ["command"]
    assert bash["properties"]["timeout"]["type"] == "number"
    assert [tool["function"]["description"] for tool in plain] == [
        tool["function"]["description"] for tool in TOOLS
    ]


def test_names_of_arguments_are_no_words_of_a_schema() -> None:
    tool: dict[str, Any] = {
        "type": "function",
        "function": {
            "name": "x",
            "parameters": {
                "type": "object",
                "properties": {
                    "default": {"type": "string", "minLength": 1},
                    "list": {"type": "array", "items": {"anyOf": [{"type": "string", "pattern": "a"}]}},
                },
            },
        },
    }
    (plain,) = plain_tools([tool])
    assert plain["function"]["parameters"]["properties"] == {
        "default": {"type": "string"},
        "list": {"type": "array", "items": {"anyOf": [{"type": "string"}]}},
    }
    assert limits_in([tool]) == {"minLength", "pattern"}
    assert limits_in([7, {}, {"function": {"parameters": 7}}]) == limits_in(None) == set()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \\"exclusiveMinimum\\" at \'tools[0].function_declarations[0].parameters.properties[1].value\': Cannot find field.","status":"INVALID_ARGUMENT"}}]'),
        (400, b'{"success":false,"error":{"message":"vertex-ai error: Invalid JSON payload received. Unknown name \\"exclusiveMinimum\\" at \'tools[0].function_declarations[17].parameters.properties[2].value\': Cannot find field.","code":"BAD_REQUEST"}}'),
        (400, b'{"type":"error","error":{"type":"invalid_request_error","message":"tools.0.custom: For \'integer\' type, properties maximum, minimum are not supported"}}'),
        (400, b'{"message":"Unsupported JSON schema fields: {\'minLength\'}","type":"invalid_request_error","param":"tools","code":"wrong_api_format"}'),
        (400, b'{"error":{"message":"Invalid schema for function \'bash\': In context=(\'properties\', \'timeout\'), \'exclusiveMinimum\' is not permitted.","param":"tools[0].function.parameters","code":"invalid_function_parameters"}}'),
        (400, b'{"error":{"message":"Invalid request: tools.function.parameters is not a valid moonshot flavored json schema, details: <x>"}}'),
        (400, b'{"error":{"message":"JSON Schema not supported: could not understand the instance"}}'),
        (400, b'{"error":{"code":400,"message":"Unable to generate parser for this template. Automatic parser generation failed: JSON schema conversion failed:\\nUnrecognized schema: {}"}}'),
        (501, b'{"error":{"message":"Unable to submit request because one or more function schemas specified unsupported field min_length"}}'),
    ],
)  # fmt: skip
def test_limits_that_are_refused_are_left_out_and_calls_stay_native(status: int, body: bytes) -> None:
    learnt = learn(FULL, read_error(status, body), BODY)
    assert learnt == replace(FULL, tool_limits=False)
    again = build_body("m", [{"role": "user", "content": "Hi"}], learnt, tools=TOOLS)
    assert limits_in(again["tools"]) == set()
    # What is refused without limits, too, is something else.
    assert learn(learnt, read_error(status, body), again) in (None, replace(learnt, tool_mode="schema"))


@pytest.mark.parametrize(
    ("message", "lost"),
    [
        ("This model does not support tools by default", {"tool_limits": False}),
        (
            "Unsupported value: 'temperature' does not support 0.2. Only the default (1) value is supported.",
            None,
        ),
        ("Unknown parameter: 'parallel_tool_calls'", {"parallel_tool_calls": False}),
        ("`tool calling` is not supported with this model", {"tool_mode": "schema"}),
    ],
)
def test_other_refusals_teach_something_else(message: str, lost: dict[str, Any] | None) -> None:
    error = read_error(400, b'{"error": {"message": "%s"}}' % message.encode())
    assert learn(FULL, error, BODY) == (None if lost is None else replace(FULL, **lost))
