"""What the endpoint answers 400 to, and in whose words."""

from typing import Any

import aiohttp
import pytest

from agentbatch.rehearsal.faults.refusals import Dialect, Refusal
from agentbatch.rehearsal.script import Say, Script
from agentbatch.rehearsal.server import RehearsalServer

TOOLS = [{"type": "function", "function": {"name": "bash"}}]
SYSTEM = {"role": "system", "content": "You are a coder."}
PROMPT = {"role": "user", "content": "do it"}


def script(*coder: Say) -> Script:
    return Script(prompt="do it", coder=list(coder))


async def ask(server: RehearsalServer, **body: Any) -> tuple[int, Any]:
    """Status and JSON of one coder's request; None takes a parameter away."""
    body = {"model": "rehearsal-coder", "messages": [PROMPT], "tools": TOOLS} | body
    given = {name: value for name, value in body.items() if value is not None}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.base_url}/chat/completions", json=given) as answer,
    ):
        return answer.status, await answer.json()


SCHEMA = {"type": "json_schema", "json_schema": {"name": "verdict", "schema": {}}}


@pytest.mark.parametrize(
    ("refusal", "body", "param", "code"),
    [
        ("tools", {}, "tools", "unsupported_parameter"),
        (
            "parallel_tool_calls",
            {"parallel_tool_calls": True},
            "parallel_tool_calls",
            "unsupported_parameter",
        ),
        ("json_schema", {"response_format": SCHEMA}, "response_format", None),
        ("json_object", {"response_format": {"type": "json_object"}}, "response_format", None),
        ("temperature", {"temperature": 0}, "temperature", "unsupported_value"),
        ("max_tokens", {"max_tokens": 5}, "max_tokens", "unsupported_parameter"),
        (
            "max_completion_tokens",
            {"max_completion_tokens": 5},
            "max_completion_tokens",
            "unsupported_parameter",
        ),
        (
            "reasoning_content",
            {"messages": [PROMPT, {"role": "assistant", "content": "", "reasoning_content": "hm"}]},
            "messages[1].reasoning_content",
            "unsupported_parameter",
        ),
        ("system", {"messages": [SYSTEM, PROMPT]}, "messages[0].role", "unsupported_value"),
        ("seed", {"seed": 1}, "seed", "unsupported_parameter"),
        ("stop", {"stop": ["x"]}, "stop", "unsupported_parameter"),
    ],
)
async def test_refusals(refusal: Refusal, body: dict[str, Any], param: str, code: str | None) -> None:
    async with RehearsalServer([script(Say(), Say())], refuse=[refusal]) as server:
        status, data = await ask(server, **body)
        allowed, _ = await ask(server, tools=None)
    assert (status, data["error"]["param"], data["error"]["code"]) == (400, param, code)
    assert allowed == 200
    async with RehearsalServer([script(Say(), Say())]) as server:
        assert (await ask(server, **body))[0] == 200


async def test_the_output_ladder_is_refused_a_rung_at_a_time() -> None:
    async with RehearsalServer([script(Say())], refuse=["json_schema"]) as server:
        assert (await ask(server, response_format=SCHEMA))[0] == 400
        assert (await ask(server, response_format={"type": "json_object"}))[0] == 200


@pytest.mark.parametrize(
    ("dialect", "refusal", "expected"),
    [
        (
            "ollama",
            "tools",
            {"error": {"message": "does not support tools", "type": "api_error", "code": None}},
        ),
        ("vllm", "tools", {"object": "error", "message": "--enable-auto-tool-choice", "code": 400}),
        ("llama.cpp", "tools", {"error": {"code": 400, "message": "requires --jinja flag"}}),
        (
            "deepseek",
            "json_schema",
            {"error": {"message": "response_format type is unavailable", "code": "invalid_request_error"}},
        ),
    ],
)
async def test_refusals_in_other_servers_words(
    dialect: Dialect, refusal: Refusal, expected: dict[str, Any]
) -> None:
    async with RehearsalServer([script(Say())], refuse=[refusal], dialect=dialect) as server:
        status, data = await ask(server, response_format=SCHEMA)
    assert status == 400
    given, wanted = data.get("error", data), expected.get("error", expected)
    assert ("error" in data) == ("error" in expected)
    assert wanted.pop("message") in given["message"]
    assert wanted.items() <= given.items()


TOOL_RESULT = {"role": "tool", "tool_call_id": "a", "content": ""}


@pytest.mark.parametrize(
    "body",
    [
        {"stream_options": {"include_usage": True}},
        {"messages": []},
        {"messages": "do it"},
        {"messages": [7]},
        {"model": 7},
        {"messages": [PROMPT, {"role": "assistant", "tool_calls": [{"id": "a"}, {"id": "b"}]}]},
        {"messages": [PROMPT, {"role": "assistant", "tool_calls": [{"id": "a"}]}, PROMPT]},
        {"messages": [PROMPT, {"role": "assistant", "tool_calls": [{"id": "a"}]}, PROMPT, TOOL_RESULT]},
        {"messages": [PROMPT, TOOL_RESULT]},
    ],
)
async def test_requests_that_every_endpoint_refuses(body: dict[str, Any]) -> None:
    async with RehearsalServer([script(Say(), Say())]) as server:
        status, data = await ask(server, **body)
    assert status == 400
    assert data["error"]["type"] == "invalid_request_error"
