# ruff: noqa: E501 - a body is one line, as it came
"""What endpoints say of histories, and what is learnt of it. The wordings are those that lessons.py names."""

from dataclasses import replace
from typing import Any

import pytest

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.refusals.lessons import learn
from agentbatch.model.refusals.server_error import read_error
from agentbatch.model.request.request import accepted

CALL = {"id": "call_1234567890", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
SEALED = {**CALL, "extra_content": {"google": {}}}
HISTORY: list[dict[str, Any]] = [
    {"role": "system", "content": "s"},
    {"role": "user", "content": "u"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1234567890", "content": "t"},
    {"role": "user", "content": "u"},
]
THOUGHTFUL = [*HISTORY[:2], {**HISTORY[2], "reasoning_content": "hm", "reasoning": "hm"}, *HISTORY[3:]]
TWO_CALLS = [*HISTORY[:2], {**HISTORY[2], "tool_calls": [CALL, {**CALL, "id": "call_2"}]}, *HISTORY[3:]]
SIGNED_THOUGHTS = [*HISTORY[:2], {**HISTORY[2], "reasoning_details": [{"signature": "s"}]}, *HISTORY[3:]]
CLEAN = [*HISTORY[:2], {"role": "assistant", "content": "a"}, {"role": "user", "content": "u"}]
FULL = Capabilities()


def rules(*names: Any) -> dict[str, Any]:
    return {"history_rules": frozenset(names)}


def fields(*names: str) -> dict[str, Any]:
    return {"refused_fields": frozenset(names)}


@pytest.mark.parametrize(
    ("status", "body", "messages", "lesson"),
    [
        # the order
        (400, b'{"object":"error","message":"Unexpected role \'user\' after role \'tool\'","type":"invalid_request_message_order","param":null,"code":"3230"}', HISTORY, rules("alternate")),
        (400, b'{"error":{"message":"Unexpected role \'user\' after role \'tool\'","type":"BadRequestError","code":400}}', HISTORY, rules("alternate")),
        (500, b'{"error":{"code":500,"message":"Jinja Exception: After the optional system message, conversation roles must alternate user and assistant roles except for tool calls and results.","type":"server_error"}}', HISTORY, rules("alternate")),
        (400, b'{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\\"message\\":\\"Unexpected role \'user\' after role \'tool\'\\"}"}}}', HISTORY, rules("alternate")),
        (400, b'{"object":"error","message":"Conversation roles must alternate user/assistant/user/assistant/...","type":"invalid_request_error"}', CLEAN, None),
        (400, b'{"error":{"message":"System message must be at the beginning.","type":"BadRequestError","code":400}}', [*HISTORY, HISTORY[0]], rules("one_system")),
        (400, b'{"error":{"message":"System message must be at the beginning.","type":"BadRequestError","code":400}}', HISTORY, None),
        # ids
        (400, b'{"object":"error","message":"Tool call id was call_1234567890 but must be a-z, A-Z, 0-9, with a length of 9.","type":"invalid_function_call","code":"3280"}', HISTORY, rules("short_ids")),
        (500, b'{"error":{"message":"Tool call id was call_49c89af0 but must be a-z, A-Z, 0-9, with a length of 9"}}', HISTORY, rules("short_ids")),
        (400, b'{"error":{"message":"Invalid \'messages[2].tool_calls[0].id\': string too long. Expected a string with maximum length 40, but got a string with length 44 instead.","type":"invalid_request_error","param":"messages[2].tool_calls[0].id","code":"string_above_max_length"}}', HISTORY, rules("short_ids")),
        (400, b'{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0.tool_use.id: String should match pattern \'^[a-zA-Z0-9_-]+$\'"}}', HISTORY, rules("short_ids")),
        # thoughts
        (400, b'{"error":{"message":"Missing `reasoning_content` field in the assistant message at message index 2. For more information, please refer to https://api-docs.deepseek.com/guides/thinking_mode#tool-calls","type":"invalid_request_error","code":"invalid_request_error"}}', HISTORY, rules("reasoning")),
        (400, b'{"error":{"message":"thinking is enabled but reasoning_content is missing in assistant tool call message at index 2","type":"invalid_request_error"}}', HISTORY, rules("reasoning")),
        (400, b'{"error":{"message":"The `reasoning_content` in the thinking mode must be passed back to the API.","type":"invalid_request_error"}}', HISTORY, rules("reasoning")),
        (400, b'{"error":{"message":"property \'reasoning_content\' is unsupported"}}', THOUGHTFUL, fields("reasoning_content")),
        (422, b'{"detail":[{"type":"extra_forbidden","loc":["body","messages",2,"assistant","reasoning_content"],"msg":"Extra inputs are not permitted","input":"hm"}]}', THOUGHTFUL, fields("reasoning_content")),
        (422, b'{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","messages",2,"assistant","reasoning"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"}', THOUGHTFUL, fields("reasoning")),
        (400, b'{"error":{"message":"Error from provider: Extra inputs are not permitted, field: \'messages[8].reasoning\', value: \'hm\'"}}', THOUGHTFUL, fields("reasoning")),
        (400, b'{"error":{"message":"property \'reasoning_content\' is unsupported"}}', HISTORY, None),
        # signatures
        (400, b'[{"error":{"code":400,"message":"Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly.","status":"INVALID_ARGUMENT"}}]', HISTORY, rules("signed")),
        (400, b'{"error":{"message":"Unrecognized request argument supplied: messages[2].tool_calls[0].extra_content"}}', [{"role": "assistant", "tool_calls": [SEALED]}], fields("extra_content")),
        # no words
        (400, b'{"error":{"message":"Invalid value for \'content\': expected a string, got null.","type":"invalid_request_error","param":"messages.[2].content"}}', HISTORY, {"empty_contents": ("empty", "word")}),
        (400, b'{"error":"Invalid \'content\': \'content\' field must be a string or an array of objects."}', HISTORY, {"empty_contents": ("empty", "word")}),
        (400, b'{"error":{"message":"bedrock error: The content field in the Message object at messages.2 is empty. Add a ContentBlock object to the content field and try again."}}', HISTORY, {"empty_contents": ("empty", "word")}),
        (400, b'{"message":"The text field in the ContentBlock object at messages.1.content.0 is blank. Add text to the text field, and try again."}', HISTORY, {"empty_contents": ("empty", "word")}),
        (422, b'{"detail":[{"type":"string_type","loc":["body","messages",2,"content"],"msg":"Input should be a valid string","input":null}]}', HISTORY, {"empty_contents": ("empty", "word")}),
        (422, b"Failed to deserialize the JSON body into the target type: messages[2]: missing field `content` at line 1 column 700", HISTORY, {"empty_contents": ("empty", "word")}),
        (400, b'{"type":"error","error":{"type":"invalid_request_error","message":"messages: text content blocks must be non-empty"}}', CLEAN, None),
        (400, b'{"errors":[{"message":"AiError: Bad input: Error: oneOf at \'/\' not met, 0 matches: required properties at \'/\' are \'prompt\', Type mismatch of \'/messages/2/content\', \'string\' not in \'null\'","code":5006}],"success":false}', HISTORY, {"empty_contents": ("empty", "word")}),
        (500, b'{"error":{"code":500,"message":"Jinja Exception: can only concatenate str (not \\"NoneType\\") to str","type":"server_error"}}', HISTORY, {"empty_contents": ("empty", "word")}),
        # names of tools, several calls
        (400, b'[{"error":{"code":400,"message":"* GenerateContentRequest.contents[2].parts[0].function_response.name: Name cannot be empty.\\n","status":"INVALID_ARGUMENT"}}]', HISTORY, rules("named")),
        (400, b'{"error":{"message":"The GenerateContentRequest proto is invalid:\\n  * contents[4].parts[0].function_response.name: [REQUIRED_FIELD_MISSING]"}}', HISTORY, rules("named")),
        (400, b'{"error":{"message":"messages[3].name: field required"}}', HISTORY, rules("named")),
        (500, b'{"error":{"code":500,"message":"Jinja Exception: This model only supports single tool-calls at once!","type":"server_error"}}', TWO_CALLS, rules("single_calls")),
        # thoughts of another model
        (400, b'{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\\"message\\":\\"messages.7.content.2: Invalid `signature` in `thinking` block\\"}","provider_name":"Amazon Bedrock"}}}', SIGNED_THOUGHTS, fields("reasoning_details")),
        # no tools
        (400, b'{"error":{"message":"litellm.UnsupportedParamsError: Anthropic doesn\'t support tool calling without `tools=` param specified. Pass `tools=` param OR set `litellm.modify_params = True`","type":"None","code":"400"}}', HISTORY, rules("tools_with_calls")),
        (400, b'{"message":"The toolConfig field must be defined when using toolUse and toolResult content blocks."}', HISTORY, rules("tools_with_calls")),
        # what is no refusal of a history
        (400, b'{"error":{"message":"This model\'s maximum context length is 8192 tokens. Please reduce the length of the messages; content must not be empty","code":"context_length_exceeded"}}', CLEAN, None),
        (429, b'{"error":{"message":"Unexpected role \'user\' after role \'tool\'"}}', HISTORY, None),
    ],
)  # fmt: skip
def test_what_a_refusal_of_a_history_teaches(
    status: int, body: bytes, messages: list[dict[str, Any]], lesson: dict[str, Any] | None
) -> None:
    learnt = learn(FULL, read_error(status, body), {"model": "m", "messages": messages})
    assert learnt == (None if lesson is None else replace(FULL, **lesson))
    if learnt is not None:
        # What was refused is not sent again, so each lesson is learnt once.
        again = {"model": "m", "messages": accepted(messages, learnt)}
        assert again["messages"] != messages or lesson == rules("tools_with_calls")
        assert learn(learnt, read_error(status, body), again) in (
            None,
            replace(FULL, empty_contents=("word",)),
        )


def test_thoughts_that_were_refused_are_not_demanded() -> None:
    """An endpoint that says both is not asked for ever."""
    refusing = replace(FULL, refused_fields=frozenset({"reasoning_content"}))
    error = read_error(400, b'{"error":{"message":"Missing `reasoning_content` field"}}')
    assert learn(refusing, error, {"messages": HISTORY}) is None


@pytest.mark.parametrize(
    "messages", [None, 7, [None, 3, "x"], [{}], [{"role": "assistant", "tool_calls": 7}]]
)
def test_a_body_that_somebody_else_wrote(messages: Any) -> None:
    error = read_error(400, b'{"error":{"message":"content is required, role system is not supported"}}')
    assert learn(FULL, error, {"messages": messages}) is None
    assert learn(FULL, error, {}) is None
