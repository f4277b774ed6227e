"""The client by the Responses API, over real HTTP: the same limits, retries and lessons as by chat completions."""

import json
from contextlib import suppress
from typing import Any

import pytest

from agentbatch.config import ApiChoice
from agentbatch.model.client import ModelClient
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.reply import CallUpdate, ErrorKind, Message, ModelError
from agentbatch.rehearsal.faults.refusals import Refusal
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall, Step
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.tasks.agents.messages import assistant_message, tool_message
from tests.support.keys import KEY

MESSAGES: list[Message] = [{"role": "system", "content": "You code."}, {"role": "user", "content": "Do it."}]
TOOLS = [{"type": "function", "function": {"name": "bash", "parameters": {"type": "object"}}}]
LS = ScriptedCall(name="bash", arguments={"command": "ls"})
SCHEMA: tuple[str, dict[str, Any]] = (
    "verdict",
    {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
)


def server_with(*coder: Step, **settings: Any) -> RehearsalServer:
    return RehearsalServer([Script(prompt="Do it.", coder=list(coder))], key=KEY, **settings)


def client(endpoint: Any, api: ApiChoice = "responses", **settings: Any) -> ModelClient:
    return ModelClient(endpoint, "rehearsal-coder", api=api, **settings)


def paths(server: RehearsalServer) -> list[str]:
    return [request.path.removeprefix("/v1/") for request in server.requests]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("say", "content", "reason"),
    [
        (Say(content="I look.", calls=[LS], reasoning="Where am I?"), "I look.", "tool_calls"),
        (Say(content="half a sent", finish_reason="length"), "half a sent", "length"),
        (Say(content="", finish_reason="content_filter"), "", "content_filter"),
    ],
)
async def test_replies(open_endpoint: Any, say: Say, content: str, reason: str, stream: bool) -> None:
    async with server_with(say) as server:
        endpoint = await open_endpoint(server.base_url, stream=stream)
        reply = await client(endpoint).complete(MESSAGES, tools=TOOLS)
        assert paths(server) == ["responses"]
    assert (reply.content, reply.finish_reason, reply.reasoning) == (content, reason, say.reasoning)
    assert [(c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [
        ("bash", {"command": "ls"})
    ] * len(say.calls)
    assert (reply.usage.calls, reply.usage.reasoning > 0, reply.usage.estimated) == (
        1,
        bool(say.reasoning),
        False,
    )


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        (Fault(status=500), False),
        (Fault(status=429), False),
        (Fault(kind="disconnect"), False),
        (Fault(kind="garbage"), False),
        (Fault(kind="cut"), True),
        (Fault(kind="short"), True),
        (Fault(kind="error", status=500), True),
        (Fault(kind="error", status=429), True),
    ],
)
async def test_what_may_pass_is_retried(open_endpoint: Any, fault: Fault, lost: bool) -> None:
    updates: list[CallUpdate] = []
    async with server_with(fault, Say(content="ok")) as server:
        endpoint = await open_endpoint(server.base_url)
        reply = await client(endpoint).complete(MESSAGES, tools=TOOLS, observer=updates.append)
        assert paths(server) == ["responses"] * 2
    assert (reply.content, reply.attempts) == ("ok", 2)
    told = [update.usage for update in updates if update.kind == "lost"]
    assert [(usage.estimated, usage.output > 0) for usage in told] == [(True, True)] * lost


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=401), "endpoint"),
        (Fault(status=429, code="insufficient_quota"), "endpoint"),
        (Fault(status=404), "model"),
        (Fault(status=404, code="not_found", message="404 page not found"), "denied"),
        (Fault(status=400, message="the sky is green"), "request"),
        (Fault(status=400, code="context_length_exceeded"), "overflow"),
        (Fault(kind="error", status=400, code="context_length_exceeded"), "overflow"),
    ],
)
async def test_what_fails_for_good(open_endpoint: Any, fault: Fault, kind: ErrorKind) -> None:
    async with server_with(fault, Say(content="ok")) as server:
        endpoint = await open_endpoint(server.base_url)
        with pytest.raises(ModelError) as raised:
            await client(endpoint).complete(MESSAGES, tools=TOOLS)
        assert paths(server) == ["responses"]
    assert raised.value.kind == kind


async def test_what_is_refused_is_learnt_once(open_endpoint: Any) -> None:
    refuse: list[Refusal] = [
        "temperature",
        "max_output_tokens",
        "parallel_tool_calls",
        "include",
        "tools",
        "json_schema",
        "system",
        "stream",
    ]
    async with server_with(Say(calls=[LS], reasoning="hm"), refuse=refuse) as server:
        endpoint = await open_endpoint(server.base_url, retry=RetryPolicy(max_retries=0))
        asker = client(endpoint, temperature=0.2, max_output_tokens=500, seed=4)
        reply = await asker.complete(MESSAGES, tools=TOOLS)
        assert reply.attempts == len(refuse) + 1
        assert [call.name for call in reply.tool_calls] == ["bash"]
        assert set(server.requests[-1].body) == {"model", "input", "store"}
        assert (await asker.complete(MESSAGES, tools=TOOLS)).attempts == 1


@pytest.mark.parametrize(
    ("refused", "api", "asked"),
    [
        ((), "auto", ["chat/completions"] * 2),
        (("chat",), "auto", ["chat/completions", "responses", "responses"]),
        (("chat",), "chat", ["chat/completions"] * 2),
        (("responses",), "responses", ["responses"] * 2),
        (("chat", "responses"), "auto", ["chat/completions", "responses", "responses"]),
    ],
)
async def test_the_other_api_is_learnt_once(
    open_endpoint: Any, refused: Any, api: ApiChoice, asked: list[str]
) -> None:
    told: list[str] = []
    async with server_with(Say(content="ok"), refuse=refused) as server:
        endpoint = await open_endpoint(server.base_url, on_learned=told.append)
        for _ in range(2):
            with suppress(ModelError):  # where it is refused in both, or in the one that was chosen
                await client(endpoint, api).complete(MESSAGES)
        assert paths(server) == asked
    assert len(told) == (api == "auto" and "chat" in refused)
    if told:
        assert told == [
            f"{endpoint.host} refuses chat completions for model rehearsal-coder: continuing without."
        ]


@pytest.mark.parametrize(
    ("refused", "asked"),
    [((), ["responses"] * 2), (("responses",), ["responses", "chat/completions", "chat/completions"])],
)
async def test_openais_reasoning_models_are_asked_by_responses(
    open_endpoint: Any, monkeypatch: pytest.MonkeyPatch, refused: Any, asked: list[str]
) -> None:
    async with server_with(Say(content="ok"), refuse=refused, any_model=True) as server:
        monkeypatch.setenv("HTTP_PROXY", server.base_url.removesuffix("/v1"))
        endpoint = await open_endpoint("http://api.openai.com/v1")
        for _ in range(2):
            await ModelClient(endpoint, "gpt-5-codex-coder", reasoning_effort="low").complete(MESSAGES)
        assert paths(server) == asked
        first, *_, last = (request.body for request in server.requests)
    assert len(first["prompt_cache_key"]) == 32
    assert first["reasoning"] == {"effort": "low"}
    assert ("prompt_cache_key" in last, last.get("reasoning_effort")) == (
        (False, "low") if refused else (True, None)
    )


async def conversation(asker: ModelClient) -> list[Message]:
    reply = await asker.complete(MESSAGES, tools=TOOLS)
    (call,) = reply.tool_calls
    return [*MESSAGES, assistant_message(reply, reply.tool_calls), tool_message(call.id, "a.txt")]


THINKS = (Say(content="I look.", calls=[LS], reasoning="hm"), Say(content="Done."))


@pytest.mark.parametrize("mode", ["native", "schema", "text"])
async def test_reasoning_goes_back_in_every_tool_mode(open_endpoint: Any, mode: Any) -> None:
    async with server_with(*THINKS) as server:
        endpoint = await open_endpoint(server.base_url)
        endpoint.use_tool_mode("rehearsal-coder", mode, fixed=True)
        asker = client(endpoint)
        history = await conversation(asker)
        await asker.complete(history, tools=TOOLS)
        first, second = (request.body["input"] for request in server.requests)
    assert second[: len(first)] == first
    reasoning, *rest = second[len(first) :]
    assert reasoning["encrypted_content"]
    kinds = [item["type"] for item in rest]
    assert kinds == (
        ["message", "function_call", "function_call_output"] if mode == "native" else ["message"] * 2
    )
    assert rest[0]["role"] == "assistant"


@pytest.mark.parametrize(("begun", "continued"), [("chat", "responses"), ("responses", "chat")])
async def test_a_conversation_goes_on_by_the_other_api(
    open_endpoint: Any, begun: ApiChoice, continued: ApiChoice
) -> None:
    async with server_with(*THINKS) as server:
        endpoint = await open_endpoint(server.base_url)
        history = await conversation(client(endpoint, begun))
        reply = await client(endpoint, continued).complete(history, tools=TOOLS)
        assert reply.content == "Done."
        assert len(set(paths(server))) == 2
        sent = server.requests[-1].body
    if continued == "chat":
        (message,) = [m for m in sent["messages"] if m["role"] == "assistant"]
        assert set(message) == {"role", "content", "tool_calls", "reasoning_content"}
        return
    words, call, result = sent["input"][1:]
    assert words == {"type": "message", "role": "assistant", "content": "I look."}
    assert (call["type"], call["name"], call["call_id"]) == ("function_call", "bash", result["call_id"])
    assert sent["instructions"] == "You code."


@pytest.mark.parametrize("change", ["gAAAstrange", None])
async def test_reasoning_that_is_refused_is_left_out(open_endpoint: Any, change: str | None) -> None:
    """Of another account, or of a server that was started anew with another key."""
    async with server_with(*THINKS) as server:
        endpoint = await open_endpoint(server.base_url)
        asker = client(endpoint)
        history = await conversation(asker)
        item = history[2]["response_items"][0]
        item["encrypted_content"] = change or item["encrypted_content"]
        reply = await asker.complete(history, tools=TOOLS)
        assert (reply.content, reply.attempts) == ("Done.", 2 if change else 1)
        kinds = [one["type"] for one in server.requests[-1].body["input"]]
    assert ("reasoning" in kinds) is (change is None)
    assert kinds[-3:] == ["message", "function_call", "function_call_output"]


async def test_a_schema_is_asked_for_by_text(open_endpoint: Any) -> None:
    async with server_with(Say(content="{}")) as server:
        endpoint = await open_endpoint(server.base_url, prompt_cache="on")
        await client(endpoint, max_output_tokens=77).complete(MESSAGES, tools=TOOLS, schema=SCHEMA)
        body = server.requests[0].body
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "verdict", "schema": SCHEMA[1], "strict": True}
    }
    assert body["max_output_tokens"] == 77
    assert "cache_control" not in json.dumps(body)
