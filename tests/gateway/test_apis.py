"""Each API through the gateway, whole and streamed: the agent sees what the endpoint says, the bill what it counts."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall, Step
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.rehearsal.streaming import Streaming
from agentbatch.spending.budget import RunBudget
from tests.support.endpoints import Serve
from tests.support.gateways import Desk
from tests.support.keys import KEY

PROMPT = "Write hello.py"
SAY = Say(
    content="I run it.", calls=[ScriptedCall(name="bash", arguments={"command": "ls"})], reasoning="hm " * 4
)
SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
ASKED = [{"role": "user", "content": PROMPT}]
CACHED = {"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}}

BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "any",
        "messages": ASKED,
        "tools": [{"type": "function", "function": {"name": "bash", "parameters": SCHEMA}}],
    },
    "/v1/responses": {
        "model": "any",
        "input": PROMPT,
        "tools": [{"type": "function", "name": "bash", "parameters": SCHEMA}],
    },
    "/v1/messages": {
        "model": "any",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": [CACHED]}],
        "tools": [{"name": "bash", "input_schema": SCHEMA}],
    },
}
PATHS = sorted(BODIES)


def served(*steps: Step, **given: Any) -> RehearsalServer:
    return RehearsalServer([Script(prompt=PROMPT, coder=list(steps))], any_model=True, **given)


def plain(answer: bytes) -> str:
    """Without what differs from call to call: ids and times."""
    return re.sub(r'"(created|created_at)": ?\d+|(?<=[-_])\d+\b|call_\w+', "", answer.decode())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", PATHS)
async def test_the_answer_is_what_the_endpoint_says(tmp_path: Path, path: str, stream: bool) -> None:
    body = {**BODIES[path], "stream": stream}
    direct = {**body, "model": "coder"}
    async with (
        served(SAY) as server,
        aiohttp.ClientSession() as session,
        session.post(server.base_url.removesuffix("/v1") + path, json=direct) as answer,
    ):
        expected = await answer.read()
    async with (
        served(SAY) as server,
        Desk.open(server.base_url, tmp_path) as desk,
        desk.post(desk.gateway.open(desk.account()), path, body) as answer,
    ):
        given = await answer.read()
        assert answer.content_type == ("text/event-stream" if stream else "application/json")
    assert plain(given) == plain(expected)
    (finished,) = desk.finished
    assert (finished.usage.estimated, finished.usage.calls, finished.finish_reason) == (
        False,
        1,
        "tool_calls",
    )
    assert finished.model == "coder"


@pytest.mark.parametrize("path", PATHS)
async def test_whole_and_streamed_are_billed_alike(tmp_path: Path, path: str) -> None:
    """Also what is written into a cache: Anthropic's API is asked for it here."""
    async with served(SAY) as server, Desk.open(server.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        for stream in (False, True):
            async with desk.post(token, path, {**BODIES[path], "stream": stream}) as answer:
                await answer.read()
    one, other = desk.finished
    assert one.usage.input == other.usage.input > 0
    assert one.usage.output == other.usage.output > 0
    assert one.usage.reasoning == other.usage.reasoning
    if path == "/v1/messages":
        assert (one.usage.cached, one.usage.written) == (0, one.usage.input)
        # All of it but what a token's bytes are rounded by.
        assert other.usage.cached + other.usage.written == one.usage.input
        assert other.usage.written <= 1
        assert (other.cost or 1) < (one.cost or 0)


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_is_sent_again_once_the_agent_has_seen_a_part(
    tmp_path: Path, path: str, serve: Serve
) -> None:
    """A refusal before that is retried; a stream that is cut in its middle ends with an error, and is billed."""
    async with served(Fault(status=503), SAY) as server, aiohttp.ClientSession() as session:
        async with session.post(server.base_url.removesuffix("/v1") + path, json=BODIES[path]) as answer:
            assert answer.status == 503
        async with session.post(
            server.base_url.removesuffix("/v1") + path, json={**BODIES[path], "stream": True}
        ) as answer:
            events = (await answer.read()).split(b"\n\n")
    shown, calls = asyncio.Event(), 0

    async def cutting(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        if calls == 1:
            return web.json_response({"error": {"message": "Overloaded"}}, status=503)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"\n\n".join(events[:8]) + b"\n\n")
        await shown.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    async with Desk.open(await serve(cutting), tmp_path) as desk:
        account = desk.account(RunBudget(max_tokens=10**6).task("t"))
        async with desk.post(desk.gateway.open(account), path, {**BODIES[path], "stream": True}) as answer:
            first = await answer.content.readuntil(b"\n\n")
            shown.set()
            text = (first + await answer.read()).decode()
    assert calls == 2
    last = json.loads(text.strip().split("data: ")[-1])
    assert "broke off" in json.dumps(last)
    (finished,) = desk.finished
    assert "broke off" in finished.error
    assert finished.usage.input > 10
    assert finished.usage.output > 0
    assert account.billing.budget is not None
    assert account.billing.budget.allowance.spent_tokens == finished.usage.total
    assert (account.ended, account.broken) == (None, 1), "it may ask again"


FULL = "This model's maximum context length is 9 tokens."
REFUSALS = {
    "/v1/chat/completions": {"error": {"message": FULL, "code": "context_length_exceeded"}},
    "/v1/responses": {
        "type": "response.failed",
        "response": {"status": "failed", "error": {"code": "context_length_exceeded", "message": FULL}},
    },
    "/v1/messages": {"type": "error", "error": {"type": "invalid_request_error", "message": FULL}},
}


@pytest.mark.parametrize("path", PATHS)
async def test_a_refusal_inside_a_stream_is_shown_as_it_is(tmp_path: Path, path: str, serve: Serve) -> None:
    """An agent reads in it that it has to shorten its conversation."""
    created = (
        b'data: {"type":"response.created","response":{}}\n\n' if path == "/v1/responses" else b": hi\n\n"
    )
    said = created + b"data: " + json.dumps(REFUSALS[path]).encode() + b"\n\n"

    async def refusing(request: web.Request) -> web.StreamResponse:
        return web.Response(body=said, content_type="text/event-stream")

    async with Desk.open(await serve(refusing), tmp_path) as desk:
        account = desk.account()
        async with desk.post(desk.gateway.open(account), path, {**BODIES[path], "stream": True}) as answer:
            assert (answer.status, await answer.read()) == (200, said)
    assert (account.ended, desk.finished[0].kind) == (None, "overflow")


@pytest.mark.parametrize("path", PATHS)
async def test_errors_have_the_shape_of_their_api(tmp_path: Path, path: str) -> None:
    async with served(SAY) as server, Desk.open(server.base_url, tmp_path) as desk:
        budget = RunBudget(max_tokens=1)
        status, over = await desk.ask(desk.gateway.open(desk.account(budget.task("t"))), path, BODIES[path])
        assert (status, over["error"]["type"]) == (402, "invalid_request_error")
        wrong, unknown = await desk.ask("sk-agentbatch-x", path, BODIES[path])
        assert wrong == 401
        assert (over.get("type"), unknown.get("type")) == (
            (("error",) * 2) if path == "/v1/messages" else (None, None)
        )
        assert server.requests == []


async def test_keys_and_headers_that_are_passed_on(tmp_path: Path) -> None:
    """The agent's own credentials stay here; the user's key goes in the form that the API takes."""
    given = {
        "anthropic-beta": "x-2026",
        "Cookie": "a=b",
        "X-Forwarded-For": "1.2.3.4",
        "Proxy-Authorization": "Basic eA==",
        "OpenAI-Organization": "org-mine",
    }
    async with served(SAY) as server, Desk.open(server.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        for path in PATHS:
            async with desk.post(token, path, BODIES[path], headers=given) as answer:
                await answer.read()
        sent = {request.path: request.headers for request in server.requests}
    for path, headers in sent.items():
        assert headers["authorization"] == f"Bearer {KEY}"
        assert headers.get("x-api-key") == (KEY if path == "/v1/messages" else None)
        assert headers.get("anthropic-version") == ("2023-06-01" if path == "/v1/messages" else None)
        assert headers.get("anthropic-beta") == ("x-2026" if path == "/v1/messages" else None)
        assert not {"cookie", "x-forwarded-for", "proxy-authorization", "openai-organization"} & set(headers)
        assert token not in json.dumps(headers)


async def test_models_and_token_counts(tmp_path: Path) -> None:
    async with served(SAY) as server, Desk.open(server.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account(others=frozenset({"small"})))
        headers = {"x-api-key": token}
        async with desk.session.get(f"{desk.gateway.url}/v1/models", headers=headers) as answer:
            assert [model["id"] for model in (await answer.json())["data"]] == ["coder", "small"]
        _, counted = await desk.ask(token, "/v1/messages/count_tokens", BODIES["/v1/messages"])
        assert [request.path for request in server.requests] == ["/v1/messages/count_tokens"]
        direct = server.requests[0].body
        assert counted["input_tokens"] > 0
        assert direct["model"] == "coder"
        assert desk.told == []
        _, answer = await desk.ask(token, "/v1/messages", {**BODIES["/v1/messages"], "model": "small"})
    assert desk.finished[0].model == "small"


async def test_where_the_endpoint_does_not_count_tokens_they_are_estimated(tmp_path: Path) -> None:
    async with served(SAY, key="another") as server, Desk.open(server.base_url, tmp_path) as desk:
        token = desk.gateway.open(desk.account())
        _, counted = await desk.ask(token, "/v1/messages/count_tokens", BODIES["/v1/messages"])
    assert 20 < counted["input_tokens"] < 200


async def test_without_usage_it_is_estimated(tmp_path: Path) -> None:
    for path in PATHS:
        async with (
            served(SAY, streaming=Streaming(usage=False)) as server,
            Desk.open(server.base_url, tmp_path) as desk,
        ):
            token = desk.gateway.open(desk.account())
            async with desk.post(token, path, {**BODIES[path], "stream": True}) as answer:
                await answer.read()
        (finished,) = desk.finished
        assert finished.usage.estimated
        assert 10 < finished.usage.input < 200
        assert 0 < finished.usage.output < 100
