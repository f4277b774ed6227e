"""A stream of events, and a chat completion as one, as OpenAI sends it."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from agentbatch.rehearsal.counting import BYTES_PER_TOKEN

DONE = b"data: [DONE]\n\n"

KEEP_ALIVE = b": keep-alive\n\n"

HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}


@dataclass(frozen=True)
class Streaming:
    """How the server streams. `ignored`: requests for a stream get a whole answer."""

    ignored: bool = False
    tokens_per_second: float | None = None
    """None: everything at once after the latency."""
    keep_alive: float | None = None
    """Seconds between keep-alive comments before the first token."""
    tokens_per_chunk: int = 1
    bytes_per_write: int | None = None
    """Cuts the stream at arbitrary places, even inside characters and lines."""
    usage: bool = True
    """False: `stream_options` is accepted but ignored."""
    done: bool = True
    """False: the stream ends without [DONE]."""


async def stream_answer(
    request: web.BaseRequest, said: Sequence[bytes], streaming: Streaming, latency: float
) -> web.StreamResponse:
    """Send these events, the first after `latency` seconds."""
    response = web.StreamResponse(headers=HEADERS)
    if streaming.keep_alive is None:
        await asyncio.sleep(latency)
        await response.prepare(request)
    else:
        await response.prepare(request)
        await _keep_alive(response, latency, streaming.keep_alive)
    if streaming.tokens_per_second is None:
        await _write(response, b"".join(said), streaming.bytes_per_write)
        return response
    for chunk in said:
        await _write(response, chunk, streaming.bytes_per_write)
        await asyncio.sleep(1 / streaming.tokens_per_second)
    return response


async def begin(request: web.BaseRequest, said: Sequence[bytes]) -> web.StreamResponse:
    """A stream that has got so far."""
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    await response.write(b"".join(said))
    return response


def event(document: Mapping[str, Any]) -> bytes:
    return b"data: " + encode(document) + b"\n\n"


def events(completion: Mapping[str, Any], *, usage: bool, tokens: int = 1) -> Iterator[bytes]:
    """The chunks of a completion: the role, the reasoning, the text and the calls, so many `tokens` a chunk, the finish
    reason, and the usage if requested."""
    choice = completion["choices"][0]
    frame = {name: completion[name] for name in ("id", "created", "model") if name in completion}
    frame["object"] = "chat.completion.chunk"
    for delta in _deltas(choice["message"], tokens * BYTES_PER_TOKEN):
        yield event(frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    yield event(frame | {"choices": [last]})
    if usage and "usage" in completion:
        yield event(frame | {"choices": [], "usage": completion["usage"]})


def _deltas(message: Mapping[str, Any], size: int) -> Iterator[dict[str, Any]]:
    content = message["content"]
    yield {"role": "assistant", "content": None if content is None else ""}
    for chunk in chunks(message.get("reasoning_content") or "", size):
        yield {"reasoning_content": chunk}
    for chunk in chunks(content or "", size):
        yield {"content": chunk}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        head = {"name": function["name"], "arguments": ""}
        extra = {"extra_content": call["extra_content"]} if "extra_content" in call else {}
        yield {
            "tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": head, **extra}]
        }
        for chunk in chunks(function["arguments"], size):
            yield {"tool_calls": [{"index": index, "function": {"arguments": chunk}}]}


def chunks(text: str, size: int) -> Iterator[str]:
    """The text in pieces of so many characters."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


async def _keep_alive(response: web.StreamResponse, seconds: float, every: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    await response.write(KEEP_ALIVE)
    while loop.time() < until:
        await asyncio.sleep(min(every, until - loop.time()))
        await response.write(KEEP_ALIVE)


async def _write(response: web.StreamResponse, data: bytes, step: int | None) -> None:
    for start in range(0, len(data), step or len(data)):
        await response.write(data[start : start + (step or len(data))])
        if step:
            await asyncio.sleep(0)


def encode(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Half a surrogate pair has no UTF-8, but can be sent as a JSON escape.
        return json.dumps(document).encode()
