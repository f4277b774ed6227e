"""The endpoint over real HTTP: replies, usage, and what it refuses."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from agentbatch.rehearsal.faults.benchmark import LONG_STEPS, benchmark_scripts
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.clocks import MovedClock
from tests.support.waiting import until

TOOLS = [
    {"type": "function", "function": {"name": "bash"}},
    {"type": "function", "function": {"name": "finish"}},
]
PROMPT = {"role": "user", "content": "do it"}
BASH = ScriptedCall(name="bash", arguments={"command": "ls"})


def script(*coder: Say, **more: Any) -> Script:
    return Script(prompt="do it", coder=list(coder), **more)


async def ask(server: RehearsalServer, path: str = "/chat/completions", **body: Any) -> tuple[int, Any]:
    """Status and JSON of one request; a coder's request with tools unless `body` says otherwise."""
    body = {"model": "rehearsal-coder", "messages": [PROMPT], "tools": TOOLS} | body
    data = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
    async with (
        aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session,
        session.post(server.base_url + path, data=io.BytesIO(data)) as answer,
    ):
        return answer.status, await answer.json()


async def test_reply_with_several_tool_calls_and_reasoning() -> None:
    say = Say(
        content="Two.", calls=[BASH, ScriptedCall(name="finish", arguments='{"summ')], reasoning="hm " * 4
    )
    async with RehearsalServer([script(say)]) as server:
        status, data = await ask(server)
    assert status == 200
    choice = data["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["reasoning_content"] == "hm " * 4
    calls = [(call["id"], call["function"]) for call in choice["message"]["tool_calls"]]
    assert calls == [
        ("call_step0_0", {"name": "bash", "arguments": '{"command": "ls"}'}),
        ("call_step0_1", {"name": "finish", "arguments": '{"summ'}),
    ]
    # 4 + 4+17 + 6+6 bytes said, 12 thought.
    assert data["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    assert data["usage"]["completion_tokens"] == 3 + 10
    assert data["usage"]["total_tokens"] == data["usage"]["prompt_tokens"] + 13


@pytest.mark.parametrize(
    ("say", "content", "finish_reason"),
    [
        (Say(content="What do you mean?"), "What do you mean?", "stop"),
        (Say(), "", "stop"),
        (Say(content="cut o", finish_reason="length"), "cut o", "length"),
        (Say(verdict={"complete": True, "文": "字"}), '{"complete": true, "文": "字"}', "stop"),
        (Say(content="\ud800"), "\ud800", "stop"),
    ],
)
async def test_reply_without_tools(say: Say, content: str, finish_reason: str) -> None:
    async with RehearsalServer([script(say)]) as server:
        _, data = await ask(server)
    assert data["choices"][0]["message"]["content"] == content
    assert "tool_calls" not in data["choices"][0]["message"]
    assert data["choices"][0]["finish_reason"] == finish_reason


async def test_usage_can_be_missing_and_cached_tokens_scripted() -> None:
    async with RehearsalServer([script(Say(usage=False), Say(cached_tokens=2))]) as server:
        _, without = await ask(server)
        _, scripted = await ask(server, messages=[PROMPT, {"role": "assistant", "content": "x"}])
    assert "usage" not in without
    assert scripted["usage"]["prompt_tokens_details"]["cached_tokens"] == 2


async def test_usage_plays_a_prefix_cache() -> None:
    async with RehearsalServer([script(Say(calls=[BASH]), Say(calls=[BASH]))]) as server:
        _, first = await ask(server)
        reply = first["choices"][0]["message"]
        result = {"role": "tool", "tool_call_id": "call_step0_0", "content": "file"}
        _, second = await ask(server, messages=[PROMPT, reply, result])
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    cached = second["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert cached in (first["usage"]["prompt_tokens"], first["usage"]["prompt_tokens"] - 1)


async def test_without_tools_a_call_is_json_in_the_content() -> None:
    async with RehearsalServer([script(Say(content="Look.", calls=[BASH]))]) as server:
        _, first = await ask(server, tools=None)
        _, last = await ask(server, tools=None, messages=[PROMPT, {"role": "assistant", "content": "x"}])
    assert json.loads(first["choices"][0]["message"]["content"]) == {
        "tool": "bash",
        "arguments": {"command": "ls"},
    }
    assert json.loads(last["choices"][0]["message"]["content"])["tool"] == "finish"


async def test_evaluator_plays_the_iteration_that_the_evidence_names() -> None:
    verdicts = [Say(verdict={"complete": False}), Say(verdict={"complete": True})]
    async with RehearsalServer(
        [script(Say(), evaluator=verdicts), Script(prompt="other", coder=[])]
    ) as server:
        said = []
        for iteration in (1, 2, 3):
            evidence = {"role": "user", "content": f"Iteration {iteration} of 10. Task: do it"}
            _, data = await ask(server, model="rehearsal-evaluator", tools=None, messages=[evidence])
            said.append(json.loads(data["choices"][0]["message"]["content"])["complete"])
        status, data = await ask(
            server, model="rehearsal-evaluator", messages=[{"role": "user", "content": "other"}]
        )
    assert said == [False, True, True]
    assert (status, data["error"]["code"]) == (400, "rehearsal_no_verdict")


async def test_unknown_task_names_the_settings_to_fill_in() -> None:
    async with RehearsalServer([script(Say())]) as server:
        status, data = await ask(server, messages=[{"role": "user", "content": "my own task"}])
    assert (status, data["error"]["code"], data["error"]["type"]) == (
        400,
        "rehearsal_unknown_task",
        "invalid_request_error",
    )
    for name in (
        "CODER_API_KEY",
        "EVALUATION_API_KEY",
        "OPENAI_API_KEY",
        "CODER_ENDPOINT",
        "EVALUATION_BASE_URL",
    ):
        assert name in data["error"]["message"]


async def test_other_models_are_served_on_demand_only() -> None:
    async with RehearsalServer([script(Say(content="c"), evaluator=[Say(content="e")])]) as server:
        status, data = await ask(server, model="gpt-5-mini")
    assert (status, data["error"]["code"]) == (404, "model_not_found")
    async with RehearsalServer(
        [script(Say(content="c"), evaluator=[Say(content="e")])], any_model=True
    ) as server:
        answers = [
            await ask(server, model="gpt-5-mini"),
            await ask(server, model="gpt-5-mini", tools=None),
            await ask(server, model="qwen3-coder", tools=None),
        ]
    assert [data["choices"][0]["message"]["content"] for _, data in answers] == ["c", "e", "c"]


async def test_key_is_checked() -> None:
    async with RehearsalServer([script(Say())], key="right") as server:
        status, data = await ask(server)
        assert (status, data["error"]["code"]) == (401, "invalid_api_key")
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer right"}) as session:
            async with session.get(server.base_url + "/models") as answer:
                models = await answer.json()
            async with session.get(server.base_url.removesuffix("/v1") + "/health") as answer:
                assert await answer.json() == {"status": "ok"}
    assert [model["id"] for model in models["data"]] == ["rehearsal-coder", "rehearsal-evaluator"]


async def test_what_is_not_json_and_what_is_not_a_path() -> None:
    async with RehearsalServer([script(Say())]) as server, aiohttp.ClientSession() as session:
        for data in (b"{", b"[1]", b"\xff\xfe", b"[" * 100_000):
            async with session.post(server.base_url + "/chat/completions", data=data) as answer:
                assert answer.status == 400
        assert (await ask(server, "/embeddings"))[0] == 404
        async with session.get(server.base_url + "/chat/completions") as answer:
            assert answer.status == 404


async def test_large_requests_are_taken_and_the_context_window_is_kept() -> None:
    large = [{"role": "system", "content": "x" * 3_000_000}, PROMPT]
    async with RehearsalServer([script(Say())]) as server:
        assert (await ask(server, messages=large))[0] == 200
    async with RehearsalServer([script(Say())], context_window=1000) as server:
        status, data = await ask(server, messages=large)
        assert (await ask(server))[0] == 200
    assert (status, data["error"]["code"]) == (400, "context_length_exceeded")
    assert "maximum context length is 1000 tokens" in data["error"]["message"]


async def test_requests_are_recorded_and_the_record_is_bounded() -> None:
    async with RehearsalServer([script(Say())], record=2) as server:
        await ask(server, temperature=0.5)
        await ask(server, "/nothing")
        await ask(server, temperature=0.7)
    assert [(r.path, r.status) for r in server.requests] == [
        ("/v1/nothing", 404),
        ("/v1/chat/completions", 200),
    ]
    assert server.requests[1].body["temperature"] == 0.7
    assert server.requests[1].headers["content-type"] == "application/json"
    assert server.requests[0].at <= server.requests[1].at


async def test_requests_at_once_are_counted_and_limited() -> None:
    clock = MovedClock()
    async with RehearsalServer([script(Say())], latency=60.0, max_in_flight=2) as server:
        asked = asyncio.gather(*(ask(server) for _ in range(5)))
        await until(lambda: server.in_flight == 2 and len(server.requests) == 5)
        clock.move_on(60)
        answers = await asked
    assert sorted(status for status, _ in answers) == [200, 200, 429, 429, 429]
    assert server.peak_in_flight >= 3
    assert server.in_flight == 0


@pytest.mark.parametrize(
    ("prompt", "steps"),
    [("bench task 7: go", 2), ("long bench task 7: go", LONG_STEPS), ("repository bench task 7: go", 4)],
)
async def test_benchmark_scripts_end_with_finish_after_their_steps(prompt: str, steps: int) -> None:
    history: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
    names = []
    async with RehearsalServer(benchmark_scripts()) as server:
        while "finish" not in names:
            _, data = await ask(server, messages=history)
            message = data["choices"][0]["message"]
            (call,) = message["tool_calls"]
            names.append(call["function"]["name"])
            history += [message, {"role": "tool", "tool_call_id": call["id"], "content": "ok"}]
        evidence = {"role": "user", "content": f"Iteration 1 of 10\n{prompt}"}
        _, data = await ask(server, model="rehearsal-evaluator", messages=[evidence])
    assert len(names) == steps
    assert json.loads(data["choices"][0]["message"]["content"])["complete"]
