"""Where `cache_control` is put, and that an endpoint which refuses it is asked without."""

import json
from typing import Any

import pytest
from aiohttp import web

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.client import ModelClient
from agentbatch.model.refusals.lessons import learn
from agentbatch.model.refusals.server_error import ServerError
from agentbatch.model.request.cache_marks import MAX_MARKS, has_marks, marked, marks_for
from agentbatch.model.request.request import build_body
from tests.support.endpoints import OpenEndpoint, Serve

EPHEMERAL = {"type": "ephemeral"}
CALL = {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}
OPENING = [{"role": "system", "content": "rules"}, {"role": "user", "content": "task"}]


def step(number: int) -> list[dict[str, Any]]:
    return [
        {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": f"c{number}"}]},
        {"role": "tool", "tool_call_id": f"c{number}", "content": f"output {number}"},
    ]


def places(messages: list[dict[str, Any]]) -> list[int]:
    return [place for place, message in enumerate(messages) if has_marks([message])]


@pytest.mark.parametrize(
    ("messages", "grows", "expected"),
    [
        (OPENING, True, [0, 1]),
        (OPENING, False, [0]),
        ([*OPENING, *step(1)], True, [0, 1, 3]),
        ([*OPENING, *step(1), *step(2)], True, [0, 3, 5]),
        ([*OPENING, *step(1), {"role": "assistant", "content": "done"}, {"role": "user", "content": "more"}],
         True, [0, 3, 5]),
        ([{"role": "user", "content": "task"}], True, [0]),
        ([{"role": "user", "content": "  "}], True, []),
        ([*OPENING, {"role": "user", "content": ""}], True, [0, 1]),
        ([*OPENING, {"role": "user", "content": []}, {"role": "user", "content": [{"type": "image_url"}]}],
         True, [0, 1]),
        ([], True, []),
    ],
)  # fmt: skip
def test_the_marks_go_where_the_conversation_grows(
    messages: list[dict[str, Any]], grows: bool, expected: list[int]
) -> None:
    found = marked(messages, "5m", grows=grows)
    assert places(found) == expected
    assert len(places(found)) <= MAX_MARKS
    assert marked(messages, "", grows=grows) == messages
    assert places(messages) == [], "the conversation itself stays as it is"


def test_what_was_last_in_a_call_is_marked_in_the_next() -> None:
    conversation: list[dict[str, Any]] = list(OPENING)
    for number in range(1, 6):
        last = len(conversation) - 1
        conversation += step(number)
        assert last in places(marked(conversation, "5m", grows=True))


def test_the_form_of_a_mark() -> None:
    found = marked([*OPENING, *step(1)], "1h", grows=True)
    hour = {"type": "ephemeral", "ttl": "1h"}
    assert found[0]["content"] == [{"type": "text", "text": "rules", "cache_control": hour}]
    assert found[3] == {"role": "tool", "tool_call_id": "c1", "content": "output 1", "cache_control": hour}
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    (user,) = marked([{"role": "user", "content": parts}], "5m", grows=True)
    assert user["content"] == [parts[0], {**parts[1], "cache_control": EPHEMERAL}]


@pytest.mark.parametrize(
    ("setting", "model", "url", "marks"),
    [
        ("auto", "anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1", "5m"),
        ("auto", "Claude-Opus-5", "http://litellm:4000/v1", "5m"),
        ("auto", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "https://bedrock.example.com/v1", "5m"),
        ("auto", "claude-sonnet-4-5", "https://api.anthropic.com/v1", ""),
        ("auto", "gpt-5-mini", "https://api.openai.com/v1", ""),
        ("on", "qwen3-coder-plus", "https://dashscope.aliyuncs.com/compatible-mode/v1", "5m"),
        ("1h", "claude-sonnet-4-5", "https://openrouter.ai/api/v1", "1h"),
        ("off", "anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1", ""),
    ],
)
def test_who_is_sent_marks(setting: Any, model: str, url: str, marks: str) -> None:
    assert marks_for(setting, model, url) == marks


@pytest.mark.parametrize(
    ("status", "message", "marks", "left"),
    [
        (400, "messages.0.content.0.cache_control: Extra inputs are not permitted", "5m", ""),
        (400, "cache_control.ephemeral.ttl: Extra inputs are not permitted", "1h", "5m"),
        (400, "extraneous key [cachePoint] is not permitted", "5m", ""),
        (422, "body.messages.0.content: Input should be a valid string", "5m", ""),
        (400, "messages[0].content: invalid type: sequence, expected a string at line 1", "5m", ""),
        (
            400,
            "json: cannot unmarshal array into Go struct field Message.messages.content of type string",
            "5m",
            "",
        ),
        (500, 'can only concatenate str (not "list") to str', "5m", ""),
        (400, "A maximum of 4 blocks with cache_control may be provided. Found 5.", "5m", ""),
        (400, "temperature is not supported", "5m", "5m"),
        (429, "cache_control tokens a minute", "5m", "5m"),
    ],
)
def test_an_endpoint_that_refuses_marks_is_asked_without(
    status: int, message: str, marks: Any, left: str
) -> None:
    capabilities = Capabilities(cache_marks=marks)
    body = build_body("m", OPENING, capabilities, tools=[TOOL], temperature=0.2, forms=None)  # type: ignore[arg-type]
    lesson = learn(capabilities, ServerError(status, message), body)
    assert (lesson or capabilities).cache_marks == left
    if lesson is not None and not left:
        again = build_body("m", OPENING, lesson, tools=[TOOL], forms=None)  # type: ignore[arg-type]
        assert again["messages"] == OPENING


async def test_the_call_goes_on_without_them(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    bodies: list[dict[str, Any]] = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        if "cache_control" in json.dumps(bodies[-1]):
            return web.json_response({"error": {"message": "Unknown field: cache_control"}}, status=400)
        answer = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
        return web.json_response(answer)

    told: list[str] = []
    endpoint = await open_endpoint(await serve(handler), stream=False, on_learned=told.append)
    client = ModelClient(endpoint, "claude-sonnet-4-5")
    for _ in range(2):
        assert (await client.complete(OPENING, tools=[TOOL])).content == "hi"
    assert [has_marks(body["messages"]) for body in bodies] == [True, False, False]
    assert len(told) == 1
    assert "refuses cache_control" in told[0]
