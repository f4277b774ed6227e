"""The endpoint's streams, as a client sees them."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.rehearsal.streaming import Streaming
from tests.support.waiting import PATIENCE

TOOLS = [{"type": "function", "function": {"name": name}} for name in ("bash", "finish")]
PROMPT = {"role": "user", "content": "do it"}
LS = ScriptedCall(name="bash", arguments={"command": "ls -la /home"})
USAGE = {"include_usage": True}
TWO = Say(content="Two at once 世界.", calls=[LS, LS], reasoning="Where am I?")


def script(*coder: Say | Fault) -> Script:
    return Script(prompt="do it", coder=list(coder))


async def ask(server: RehearsalServer, **body: Any) -> tuple[int, str, bytes]:
    """Status, content type and body of one request for a stream."""
    body = {"model": "rehearsal-coder", "messages": [PROMPT], "tools": TOOLS, "stream": True} | body
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.base_url}/chat/completions", json=body) as answer,
    ):
        return answer.status, answer.content_type, await answer.read()


def chunks(body: bytes) -> list[dict[str, Any]]:
    """The chunks of a whole stream, which ends in [DONE]."""
    *events, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events if not event.startswith(b":")]


def said(body: bytes) -> dict[str, Any]:
    """The message that a stream's deltas make."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "calls": {}}
    for chunk in chunks(body):
        for choice in chunk["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls", ()):
                begun = message["calls"].setdefault(call["index"], {"id": call.get("id"), "arguments": ""})
                begun["arguments"] += call["function"]["arguments"]
    return message


async def test_the_deltas_make_the_message() -> None:
    async with RehearsalServer([script(TWO)]) as server:
        status, kind, body = await ask(server)
        _, _, whole = await ask(server, stream=False)
    message = json.loads(whole)["choices"][0]["message"]
    assert (status, kind) == (200, "text/event-stream")
    assert said(body) == {
        "content": message["content"],
        "reasoning_content": message["reasoning_content"],
        "calls": {
            index: {"id": call["id"], "arguments": call["function"]["arguments"]}
            for index, call in enumerate(message["tool_calls"])
        },
    }
    first, *_, last = chunks(body)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert first["object"] == "chat.completion.chunk"
    assert last["choices"][0]["finish_reason"] == "tool_calls"
    assert sum("tool_calls" in chunk["choices"][0]["delta"] for chunk in chunks(body)) > 10, "in fragments"


@pytest.mark.parametrize(
    ("say", "options", "streaming", "given"),
    [
        (Say(), USAGE, Streaming(), True),
        (Say(), None, Streaming(), False),
        (Say(), {"include_usage": False}, Streaming(), False),
        (Say(usage=False), USAGE, Streaming(), False),
        (Say(), USAGE, Streaming(usage=False), False),
    ],
)
async def test_usage_comes_last_where_it_is_asked_for(
    say: Say, options: Any, streaming: Streaming, given: bool
) -> None:
    async with RehearsalServer([script(say)], streaming=streaming) as server:
        _, _, body = await ask(server, stream_options=options)
    last = chunks(body)[-1]
    assert ("usage" in last) is given
    assert (last["choices"] == []) is given


async def test_cut_at_odd_places_it_is_the_same_stream() -> None:
    async with RehearsalServer([script(TWO)], streaming=Streaming(bytes_per_write=5)) as server:
        _, _, body = await ask(server)
    assert said(body)["content"] == TWO.content


async def test_a_stream_can_be_ignored_and_its_end_left_out() -> None:
    async with RehearsalServer([script(TWO)], streaming=Streaming(ignored=True)) as server:
        _, kind, body = await ask(server)
    assert (kind, json.loads(body)["object"]) == ("application/json", "chat.completion")
    async with RehearsalServer([script(TWO)], streaming=Streaming(done=False)) as server:
        _, _, body = await ask(server)
    assert b"[DONE]" not in body


async def test_the_first_token_waits_for_the_latency_and_the_others_for_the_pace() -> None:
    streaming = Streaming(tokens_per_second=50, keep_alive=0.05)
    say = Say(content="x" * 40)  # ten tokens
    async with RehearsalServer([script(say)], latency=0.3, streaming=streaming) as server:
        began = time.monotonic()
        _, _, body = await ask(server)
        took = time.monotonic() - began
    assert took >= 0.3 + 10 / 50
    assert body.startswith(b": keep-alive\n\n: keep-alive\n\n")
    assert said(body)["content"] == say.content


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (Fault(kind="short"), b'"content": "fir"}, "finish_reason": null}]}\n\n'),
        (
            Fault(kind="error", status=502, message="Upstream died"),
            b'data: {"error": {"message": "Upstream died", "type": "server_error", "param": null, "code": 502}}\n\n',
        ),
    ],
)
async def test_streams_that_end_without_their_end(fault: Fault, end: bytes) -> None:
    async with RehearsalServer([script(fault, Say(content="ok"))]) as server:
        status, _, body = await ask(server)
        assert status == 200
        assert body.endswith(end)
        assert said((await ask(server))[2])["content"] == "ok"


async def test_a_cut_stream_breaks_its_connection_off() -> None:
    async with RehearsalServer([script(Fault(kind="cut"), Say(content="ok"))]) as server:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(server)
        assert said((await ask(server))[2])["content"] == "ok"


async def test_a_stalled_stream_has_begun_and_says_no_more() -> None:
    async with RehearsalServer([script(Fault(kind="stall"))]) as server, aiohttp.ClientSession() as session:
        body = {"model": "rehearsal-coder", "messages": [PROMPT], "stream": True}
        async with session.post(f"{server.base_url}/chat/completions", json=body) as answer:
            begun = b""
            async with asyncio.timeout(PATIENCE):
                while b'"fir"' not in begun:
                    begun += await answer.content.readany()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await answer.content.readany()


@pytest.mark.parametrize("name", ["stream", "stream_options"])
async def test_what_is_refused_can_be_left_out(name: Any) -> None:
    async with RehearsalServer([script(TWO)], refuse=[name]) as server:
        status, _, body = await ask(server, stream_options=USAGE)
        assert (status, json.loads(body)["error"]["param"]) == (400, name)
        assert (await ask(server, stream=name != "stream"))[0] == 200


async def test_an_endpoint_that_only_streams() -> None:
    async with RehearsalServer([script(TWO)], refuse=["whole"]) as server:
        status, _, body = await ask(server, stream=False)
        assert status == 400
        assert "only support stream mode" in json.loads(body)["error"]["message"]
        assert (await ask(server))[0] == 200
