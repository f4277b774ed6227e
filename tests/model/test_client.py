"""The client over real HTTP, against the rehearsal server."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from typing import Any

import pytest

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import COOLDOWN, IN_FLIGHT, EndpointLimits
from agentbatch.model.reply import CallUpdate, ErrorKind, Message, ModelError
from agentbatch.model.tokens import estimate_messages
from agentbatch.rehearsal.faults.refusals import Dialect, Refusal
from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall, Step
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.clocks import MovedClock
from tests.support.keys import KEY
from tests.support.waiting import PATIENCE, until

"""The fixture's."""

OpenEndpoint = Callable[..., Awaitable[Endpoint]]

PROMPT = "Write hello.py"
MESSAGES: list[Message] = [{"role": "system", "content": "You code."}, {"role": "user", "content": PROMPT}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "bash",
            "description": "Runs a command.",
            "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
        },
    },
    {"type": "function", "function": {"name": "finish", "parameters": {"type": "object"}}},
]
LS = ScriptedCall(name="bash", arguments={"command": "ls"})
SCHEMA: tuple[str, dict[str, Any]] = (
    "verdict",
    {
        "type": "object",
        "properties": {"complete": {"type": "boolean"}},
        "required": ["complete"],
        "additionalProperties": False,
    },
)


def script(*coder: Step, evaluator: Sequence[Step] = ()) -> Script:
    return Script(prompt=PROMPT, coder=list(coder), evaluator=list(evaluator))


def server_with(*coder: Step, **settings: Any) -> RehearsalServer:
    return RehearsalServer([script(*coder)], key=KEY, **settings)


def coder(endpoint: Any, **settings: Any) -> ModelClient:
    return ModelClient(endpoint, "rehearsal-coder", **settings)


async def test_a_reply_with_everything(open_endpoint: OpenEndpoint) -> None:
    say = Say(content="I look.", calls=[LS, LS], reasoning="Where am I?")
    async with server_with(say) as server:
        endpoint = await open_endpoint(server.base_url)
        reply = await coder(endpoint).complete(MESSAGES, tools=TOOLS)
    assert reply.content == "I look."
    assert [(c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [("bash", {"command": "ls"})] * 2
    assert len({c.id for c in reply.tool_calls}) == 2
    assert reply.reasoning == "Where am I?"
    assert reply.finish_reason == "tool_calls"
    assert reply.attempts == 1
    assert reply.latency > 0
    assert reply.usage.calls == 1
    assert reply.usage.input > 0
    assert reply.usage.reasoning > 0
    assert not reply.usage.estimated
    sent = server.requests[0]
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.body == {
        "model": "rehearsal-coder",
        "messages": MESSAGES,
        "tools": TOOLS,
        "parallel_tool_calls": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_missing_usage_is_counted_and_marked(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="four words are here", usage=False)) as server:
        endpoint = await open_endpoint(server.base_url)
        reply = await coder(endpoint).complete(MESSAGES, tools=TOOLS)
    assert reply.usage.estimated
    assert reply.usage.input == estimate_messages(MESSAGES, TOOLS)
    assert reply.usage.output == 5
    assert reply.usage.calls == 1


@pytest.mark.parametrize(
    "say",
    [
        Say(content="half a sent", finish_reason="length"),
        Say(calls=[ScriptedCall(name="bash", arguments='{"command": "l')], finish_reason="length"),
        Say(content="", finish_reason="content_filter"),
    ],
)
async def test_cut_off_and_filtered_replies_pass_through(open_endpoint: OpenEndpoint, say: Say) -> None:
    async with server_with(say) as server:
        endpoint = await open_endpoint(server.base_url)
        reply = await coder(endpoint).complete(MESSAGES, tools=TOOLS)
    assert reply.finish_reason == say.finish_reason
    assert reply.cut_off == (say.finish_reason == "length")
    assert reply.content == say.content
    assert [c.arguments for c in reply.tool_calls] == [c.arguments for c in say.calls]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503),
        Fault(status=408),
        Fault(status=409),
        Fault(status=429),
        Fault(kind="disconnect"),
        Fault(kind="cut"),
        Fault(kind="garbage"),
    ],
)
async def test_what_may_pass_is_retried(open_endpoint: OpenEndpoint, fault: Fault) -> None:
    updates: list[CallUpdate] = []
    async with server_with(fault.model_copy(update={"times": 2}), Say(content="ok")) as server:
        endpoint = await open_endpoint(server.base_url)
        reply = await coder(endpoint).complete(MESSAGES, tools=TOOLS, observer=updates.append)
        assert len(server.requests) == 3
    assert (reply.content, reply.attempts) == ("ok", 3)
    assert [(u.kind, u.attempt) for u in updates if u.kind not in ("waiting", "lost")] == [
        ("sent", 1),
        ("retrying", 1),
        ("sent", 2),
        ("retrying", 2),
        ("sent", 3),
    ]
    assert all(endpoint.host in u.reason for u in updates if u.kind == "retrying")


@pytest.mark.parametrize(
    ("fault", "kind", "status", "requests"),
    [
        (Fault(status=500, times=9), "transient", 500, 4),
        (Fault(status=429, times=9), "rate", 429, 4),
        (Fault(kind="disconnect", times=9), "transient", None, 4),
        (Fault(kind="garbage", times=9), "transient", None, 4),
        (Fault(status=401), "endpoint", 401, 1),
        (Fault(status=403), "endpoint", 403, 1),
        (Fault(status=402, message="Insufficient Balance"), "endpoint", 402, 1),
        (Fault(status=429, code="insufficient_quota"), "endpoint", 429, 1),
        (Fault(status=404), "model", 404, 1),
        (Fault(status=400, message="the sky is green"), "request", 400, 1),
        (Fault(status=400, code="context_length_exceeded"), "overflow", 400, 1),
    ],
)
async def test_what_fails_for_good_says_how(
    open_endpoint: OpenEndpoint, fault: Fault, kind: ErrorKind, status: int | None, requests: int
) -> None:
    async with server_with(fault, Say(content="ok")) as server:
        endpoint = await open_endpoint(server.base_url)
        with pytest.raises(ModelError) as raised:
            await coder(endpoint).complete(MESSAGES, tools=TOOLS)
        assert len(server.requests) == requests
    error = raised.value
    assert (error.kind, error.status, error.attempts) == (kind, status, requests)
    assert str(error).startswith(endpoint.host)
    assert "rehearsal-coder" in str(error)
    if fault.kind == "status":
        assert fault.message in str(error)
    assert ("after 4 attempts" in str(error)) is (requests == 4)


@pytest.mark.parametrize("retries", [0, 1])
async def test_the_number_of_retries_is_the_policys(open_endpoint: OpenEndpoint, retries: int) -> None:
    async with server_with(Fault(status=500, times=9)) as server:
        endpoint = await open_endpoint(server.base_url, retry=RetryPolicy(max_retries=retries, delay=0))
        with pytest.raises(ModelError):
            await coder(endpoint).complete(MESSAGES)
        assert len(server.requests) == retries + 1


async def test_a_wrong_key_is_fatal_and_never_shown(open_endpoint: OpenEndpoint) -> None:
    fault = Fault(status=401, message=f"Incorrect API key provided: {KEY}.\x1b[2J\nSee the docs.")
    async with server_with(fault) as server:
        endpoint = await open_endpoint(server.base_url)
        with pytest.raises(ModelError) as raised:
            await coder(endpoint).complete(MESSAGES)
    text = str(raised.value)
    assert KEY not in text
    assert "Incorrect API key provided: [redacted]." in text
    assert text.isprintable()


async def test_an_unreachable_endpoint_is_transient_and_named(open_endpoint: OpenEndpoint) -> None:
    async with server_with() as server:
        url = server.base_url
    endpoint = await open_endpoint(url)
    with pytest.raises(ModelError) as raised:
        await coder(endpoint).complete(MESSAGES)
    assert raised.value.kind == "transient"
    assert raised.value.attempts == 4
    assert "connect" in str(raised.value).lower()


async def test_a_hanging_server_runs_into_the_wall_timeout(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Fault(kind="hang"), Say(content="ok")) as server:
        endpoint = await open_endpoint(server.base_url, request_timeout=60.0)
        updates: list[CallUpdate] = []
        clock = MovedClock()
        asked = asyncio.create_task(coder(endpoint).complete(MESSAGES, observer=updates.append))
        await until(lambda: server.requests)
        clock.move_on(61)
        reply = await asked
    assert (reply.content, reply.attempts) == ("ok", 2)
    assert [u.reason for u in updates if u.kind == "retrying"] == [
        f"{endpoint.host} gave no usable answer for model rehearsal-coder: no answer within 60 s."
    ]


async def test_cancelling_a_call_cancels_its_request_at_once(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="late"), latency=2 * PATIENCE) as server:
        limits = EndpointLimits(max_in_flight=1)
        endpoint = await open_endpoint(server.base_url, limits=limits)
        task = asyncio.create_task(coder(endpoint).complete(MESSAGES))
        await until(lambda: server.in_flight == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: server.in_flight == 0)
        assert limits.active == 0


async def test_cancelling_a_call_that_waits_for_a_retry_ends_it(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Fault(status=503, headers={"Retry-After": "600"}), Say(content="ok")) as server:
        endpoint = await open_endpoint(server.base_url)
        retrying = asyncio.Event()
        updates: list[CallUpdate] = []

        def observe(update: CallUpdate) -> None:
            updates.append(update)
            if update.kind == "retrying":
                retrying.set()

        task = asyncio.create_task(coder(endpoint).complete(MESSAGES, observer=observe))
        await retrying.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert updates[-1].seconds == 600


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"Retry-After": "1"}, 1.0),
        ({"retry-after-ms": "700"}, 0.7),
        ({"Retry-After": "in 250"}, 100),
        ({"Retry-After": "200"}, 200),
    ],
)
async def test_a_429_waits_as_long_as_the_server_asks(
    open_endpoint: OpenEndpoint, headers: dict[str, str], least: float
) -> None:
    if (
        headers.get("Retry-After") == "in 250"
    ):  # by this test's clock: it may begin long after it was collected
        headers = {"Retry-After": formatdate(time.time() + 250, usegmt=True)}
    async with server_with(Fault(status=429, headers=headers), Say(content="ok")) as server:
        endpoint = await open_endpoint(server.base_url)
        updates: list[CallUpdate] = []
        cooled = asyncio.Event()

        def observe(update: CallUpdate) -> None:
            updates.append(update)
            if update.kind == "waiting":
                cooled.set()

        task = asyncio.create_task(coder(endpoint).complete(MESSAGES, observer=observe))
        await cooled.wait()
        assert updates[-2].kind == "retrying"
        assert updates[-2].seconds >= least
        assert updates[-1].reason == COOLDOWN
        assert updates[-1].seconds == pytest.approx(updates[-2].seconds, rel=0.1)
        if least > 10:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        else:
            assert (await task).attempts == 2
            first, second = server.requests
            assert second.at - first.at >= least


@pytest.mark.slow
async def test_one_429_cools_the_endpoint_for_all_its_clients_and_a_probe_goes_first(
    open_endpoint: OpenEndpoint,
) -> None:
    refused = Fault(status=429, headers={"retry-after-ms": "600"})
    verdict = Say(verdict={"complete": True})
    scripts = [script(Say(content="ok"), evaluator=[verdict])]
    async with RehearsalServer(scripts, faults=[refused], latency=0.2) as server:
        endpoint = await open_endpoint(server.base_url)
        clients = [coder(endpoint), ModelClient(endpoint, "rehearsal-evaluator")]
        updates: list[CallUpdate] = []
        first = asyncio.create_task(clients[0].complete(MESSAGES, tools=TOOLS, observer=updates.append))
        await until(lambda: any(update.kind == "retrying" for update in updates))
        judged: list[Message] = [{"role": "user", "content": f"{PROMPT}\nIteration 1 of 3"}]
        herd = [
            asyncio.create_task(clients[n % 2].complete(judged if n % 2 else MESSAGES)) for n in range(20)
        ]
        await asyncio.gather(first, *herd)
        assert {reply.result().attempts for reply in herd} == {1}, "nobody else ran into the limit"
    refused_at, probe_at, *others = (request.at for request in server.requests)
    assert probe_at - refused_at >= 0.6
    assert min(others) - probe_at >= 0.2, "the others waited for the probe's answer"


async def test_a_crowd_gets_through_a_server_that_takes_few_at_once(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="ok"), latency=0.02, max_in_flight=4) as server:
        endpoint = await open_endpoint(server.base_url)
        replies = await asyncio.gather(*(coder(endpoint).complete(MESSAGES) for _ in range(60)))
        assert {reply.content for reply in replies} == {"ok"}
        assert len(server.requests) < 200


async def test_the_in_flight_limit_holds_and_is_told(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="ok"), latency=0.02) as server:
        endpoint = await open_endpoint(server.base_url, limits=EndpointLimits(max_in_flight=3))
        updates: list[CallUpdate] = []
        await asyncio.gather(
            *(coder(endpoint).complete(MESSAGES, observer=updates.append) for _ in range(12))
        )
        assert server.peak_in_flight == 3
    waits = [u for u in updates if u.kind == "waiting"]
    assert len(waits) == 9
    assert {u.reason for u in waits} == {IN_FLIGHT}


async def test_a_large_pool_is_really_used(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="ok"), latency=2 * PATIENCE) as server:
        endpoint = await open_endpoint(server.base_url, pool=150)
        calls = asyncio.gather(*(coder(endpoint).complete(MESSAGES) for _ in range(150)))
        await until(lambda: server.in_flight == 150)
        calls.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls


LEARNT: list[tuple[Refusal, Dialect, int]] = [
    ("temperature", "openai", 2),
    ("max_tokens", "openai", 2),
    ("parallel_tool_calls", "openai", 2),
    ("reasoning_content", "openai", 2),
    ("system", "openai", 2),
    ("tools", "openai", 2),
    ("tools", "vllm", 2),
    ("tools", "llama.cpp", 2),
    ("tools", "ollama", 2),
]


@pytest.mark.parametrize(("refuse", "dialect", "requests"), LEARNT)
async def test_a_refused_parameter_is_learnt_once_and_remembered(
    open_endpoint: OpenEndpoint, refuse: Refusal, dialect: Dialect, requests: int
) -> None:
    notices: list[str] = []
    history: list[Message] = [
        *MESSAGES,
        {"role": "assistant", "content": "Hm.", "reasoning_content": "Think."},
        {"role": "user", "content": "Go on."},
    ]
    steps = [Say(content="first"), Say(calls=[LS])]
    async with server_with(*steps, refuse=[refuse], dialect=dialect) as server:
        endpoint = await open_endpoint(server.base_url, on_learned=notices.append)
        client = coder(endpoint, temperature=0.2, max_output_tokens=500)
        one = await client.complete(history, tools=TOOLS)
        two = await client.complete(history, tools=TOOLS)
        assert len(server.requests) == requests + 1
    for reply in (one, two):
        assert [(c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [("bash", {"command": "ls"})]
    assert (one.attempts, two.attempts) == (requests, 1)
    assert len(notices) == 1
    assert endpoint.host in notices[0]


async def test_everything_refused_at_once_is_learnt_without_spending_retries(
    open_endpoint: OpenEndpoint,
) -> None:
    everything: list[Refusal] = [
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "parallel_tool_calls",
        "tools",
        "json_schema",  # with it the actions of a schema: what follows is text, and json_object is never asked for
        "stop",
        "system",
        "stream_options",
        "stream",
    ]
    async with server_with(Say(calls=[LS]), refuse=everything) as server:
        endpoint = await open_endpoint(server.base_url, retry=RetryPolicy(max_retries=0))
        client = coder(endpoint, temperature=0.2, max_output_tokens=500)
        reply = await client.complete(MESSAGES, tools=TOOLS)
        assert reply.attempts == len(everything) + 1
        assert [c.name for c in reply.tool_calls] == ["bash"]
        assert set(server.requests[-1].body) == {"model", "messages"}
        assert (await client.complete(MESSAGES, tools=TOOLS)).attempts == 1


async def test_the_tool_mode_steps_down_with_what_is_refused_and_tells(open_endpoint: OpenEndpoint) -> None:
    changes: list[tuple[str, str, str]] = []
    notices: list[str] = []
    async with server_with(Say(calls=[LS]), refuse=["tools", "json_schema", "stop"]) as server:
        endpoint = await open_endpoint(
            server.base_url, on_learned=notices.append, on_tool_mode=lambda *change: changes.append(change)
        )
        reply = await coder(endpoint).complete(MESSAGES, tools=TOOLS)
        assert "stop" not in server.requests[-1].body
    assert [(c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [("bash", {"command": "ls"})]
    assert [change[:2] for change in changes] == [("rehearsal-coder", "schema"), ("rehearsal-coder", "text")]
    assert [change[2] for change in changes] == [
        "native tool calls were refused",
        "schema tool calls were refused",
    ]
    assert len(notices) == 3
    assert "stop" in notices[-1]
    assert endpoint.capabilities("rehearsal-evaluator").tool_mode == "native"


async def test_stepping_down_on_failures_goes_one_mode_at_a_time(open_endpoint: OpenEndpoint) -> None:
    changes: list[tuple[str, str, str]] = []
    endpoint = await open_endpoint(
        "http://127.0.0.1:9/v1", on_tool_mode=lambda *change: changes.append(change)
    )
    assert endpoint.step_down("m", "native", "two broken calls")
    assert endpoint.step_down("m", "native", "two broken calls"), (
        "another task was first: go on in the new mode"
    )
    assert endpoint.step_down("m", "schema", "two more")
    assert not endpoint.step_down("m", "text", "and two more"), "there is nothing simpler"
    assert changes == [("m", "schema", "two broken calls"), ("m", "text", "two more")]
    assert endpoint.capabilities("other").tool_mode == "native"


async def test_a_lone_block_of_code_is_read_with_the_task_in_mind(open_endpoint: OpenEndpoint) -> None:
    say = Say(content="```python\nprint('hello')\n```")
    write = {"type": "function", "function": {"name": "write_file", "description": "", "parameters": {}}}
    async with server_with(say) as server:
        endpoint = await open_endpoint(server.base_url)
        endpoint.use_tool_mode("rehearsal-coder", "text")
        reply = await coder(endpoint).complete(MESSAGES, tools=[*TOOLS, write])
    assert [(c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [
        ("write_file", {"path": "hello.py", "content": "print('hello')\n"})
    ]


@pytest.mark.parametrize(
    ("refuse", "forms"),
    [
        ([], ["json_schema"]),
        (["json_schema"], ["json_schema", "json_object"]),
        (["json_schema", "json_object"], ["json_schema", "json_object", None]),
    ],
)
async def test_the_output_ladder_is_climbed_down(
    open_endpoint: OpenEndpoint, refuse: list[Refusal], forms: list[str | None]
) -> None:
    scripts = [script(evaluator=[Say(verdict={"complete": True})])]
    judged: list[Message] = [{"role": "user", "content": f"{PROMPT}\nIteration 1 of 3"}]
    async with RehearsalServer(scripts, refuse=refuse) as server:
        endpoint = await open_endpoint(server.base_url)
        reply = await ModelClient(endpoint, "rehearsal-evaluator").complete(judged, schema=SCHEMA)
        assert [r.body.get("response_format", {}).get("type") for r in server.requests] == forms
    assert json.loads(reply.content) == {"complete": True}


async def test_what_one_model_cannot_do_another_still_may(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="ok"), refuse=["temperature"]) as server:
        endpoint = await open_endpoint(server.base_url)
        await coder(endpoint, temperature=0.2).complete(MESSAGES)
        assert not endpoint.capabilities("rehearsal-coder").temperature
        assert endpoint.capabilities("rehearsal-evaluator").temperature


async def test_many_calls_that_learn_at_once_all_succeed(open_endpoint: OpenEndpoint) -> None:
    notices: list[str] = []
    refuse: list[Refusal] = ["temperature", "tools"]
    async with server_with(Say(calls=[LS]), refuse=refuse, latency=0.01) as server:
        endpoint = await open_endpoint(server.base_url, on_learned=notices.append)
        client = coder(endpoint, temperature=0.2)
        replies = await asyncio.gather(*(client.complete(MESSAGES, tools=TOOLS) for _ in range(20)))
    assert {reply.tool_calls[0].name for reply in replies} == {"bash"}
    assert len(notices) == 2, "each lesson is told once"


async def test_different_lessons_at_the_same_time_are_both_kept(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="ok"), refuse=["temperature", "tools"], latency=0.01) as server:
        endpoint = await open_endpoint(server.base_url)
        warm, handy = coder(endpoint, temperature=0.2), coder(endpoint)
        await asyncio.gather(warm.complete(MESSAGES), handy.complete(MESSAGES, tools=TOOLS))
        learnt = endpoint.capabilities("rehearsal-coder")
        assert (learnt.temperature, learnt.tool_mode) == (False, "schema")


async def test_an_overflow_teaches_nothing_about_parameters(open_endpoint: OpenEndpoint) -> None:
    words = "input length and `max_tokens` exceed context limit, which is not allowed: 199000 + 500 > 199100"
    async with server_with(Fault(status=400, message=words)) as server:
        endpoint = await open_endpoint(server.base_url)
        with pytest.raises(ModelError) as raised:
            await coder(endpoint, max_output_tokens=500).complete(MESSAGES)
    assert raised.value.kind == "overflow"
    assert raised.value.attempts == 1


@pytest.mark.parametrize("refuse", [[], ["tools"]])
async def test_a_call_written_as_text_is_a_call(open_endpoint: OpenEndpoint, refuse: list[Refusal]) -> None:
    text = 'I look.\n```json\n{"name": "bash", "arguments": {"command": "ls"}}\n```'
    async with server_with(Say(content=text), refuse=refuse) as server:
        endpoint = await open_endpoint(server.base_url)
        reply = await coder(endpoint).complete(MESSAGES, tools=TOOLS)
    assert [(c.name, json.loads(c.arguments)) for c in reply.tool_calls] == [("bash", {"command": "ls"})]
    assert reply.tool_calls[0].id
    assert reply.content == "I look."


@pytest.mark.parametrize(
    "text",
    [
        'To list, one calls:\n```json\n{"name": "bash", "arguments": {"command": "ls"}}\n```\nBut I am done.',
        '{"name": "unknown", "arguments": {"command": "ls"}}',
    ],
)
async def test_an_example_in_prose_stays_prose(open_endpoint: OpenEndpoint, text: str) -> None:
    async with server_with(Say(content=text)) as server:
        endpoint = await open_endpoint(server.base_url)
        reply = await coder(endpoint).complete(MESSAGES, tools=TOOLS)
    assert (reply.tool_calls, reply.content) == ((), text)


async def test_without_tools_text_is_never_a_call(open_endpoint: OpenEndpoint) -> None:
    text = '{"name": "bash", "arguments": {"command": "ls"}}'
    async with server_with(Say(content=text)) as server:
        endpoint = await open_endpoint(server.base_url)
        assert (await coder(endpoint).complete(MESSAGES)).content == text


async def test_a_context_window_overflow_is_told_apart(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="ok"), context_window=50) as server:
        endpoint = await open_endpoint(server.base_url)
        with pytest.raises(ModelError) as raised:
            await coder(endpoint).complete([*MESSAGES, {"role": "user", "content": "x" * 1000}])
    assert raised.value.kind == "overflow"


async def test_the_token_limit_is_settled_to_what_was_used(open_endpoint: OpenEndpoint) -> None:
    async with server_with(Say(content="ok")) as server:
        endpoint = await open_endpoint(server.base_url, limits=EndpointLimits(tpm=1500))
        updates: list[CallUpdate] = []
        for _ in range(10):
            await coder(endpoint).complete(MESSAGES, observer=updates.append)
    assert [u for u in updates if u.kind == "waiting"] == [], "ten estimates would not have fitted"
