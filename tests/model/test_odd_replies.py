"""Answers that the rehearsal server cannot script: raw bytes, redirects, floods, compression."""

import gzip
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.transport import MAX_BODY
from agentbatch.model.reply import Message, ModelError
from tests.support.keys import KEY

"""The fixture's."""

OpenEndpoint = Callable[..., Awaitable[Endpoint]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]

MESSAGES: list[Message] = [{"role": "user", "content": "Hi"}]
GOOD = json.dumps({"choices": [{"message": {"content": "Hello \u4e16\u754c"}}]}).encode()
ONCE = RetryPolicy(max_retries=0)


def answering(
    make: Callable[[], web.Response],
) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        await request.read()
        return make()

    return handle


async def failing(serve: Serve, open_endpoint: OpenEndpoint, make: Callable[[], web.Response]) -> ModelError:
    endpoint = await open_endpoint(await serve(answering(make)), retry=ONCE)
    with pytest.raises(ModelError) as raised:
        await ModelClient(endpoint, "m").complete(MESSAGES)
    return raised.value


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"{}", b'{"choices": []}', b"<html>Welcome to the hotel</html>", b"\x00\xff", GOOD[:-5]],
)
async def test_a_garbage_200_is_transient(serve: Serve, open_endpoint: OpenEndpoint, body: bytes) -> None:
    error = await failing(serve, open_endpoint, lambda: web.Response(body=body))
    assert error.kind == "transient"
    assert "gave no usable answer for model m: a 200 that is" in str(error)
    assert str(error).isprintable()


@pytest.mark.parametrize("status", [201, 203])
async def test_an_answer_is_one_whatever_status_a_framework_gives_it(
    serve: Serve, open_endpoint: OpenEndpoint, status: int
) -> None:
    """NestJS answers each POST with 201."""
    base = await serve(answering(lambda: web.Response(status=status, body=GOOD)))
    for stream in (False, True):
        endpoint = await open_endpoint(base, retry=ONCE, stream=stream)
        assert (await ModelClient(endpoint, "m").complete(MESSAGES)).content


async def test_a_stream_that_nobody_asked_for_is_read(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    body = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    base = await serve(answering(lambda: web.Response(body=body, content_type="text/event-stream")))
    endpoint = await open_endpoint(base, retry=ONCE, stream=False)
    assert (await ModelClient(endpoint, "m").complete(MESSAGES)).content == "Hi"


async def test_an_error_inside_a_200_keeps_its_class(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    quota = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    error = await failing(serve, open_endpoint, lambda: web.json_response(quota))
    assert error.kind == "endpoint"


async def test_a_proxys_html_is_shown_as_words(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    page = "<html><head><title>502 Bad Gateway</title></head><body><hr>nginx</body></html>"
    error = await failing(serve, open_endpoint, lambda: web.Response(status=502, text=page))
    assert str(error).endswith("answered 502 for model m: 502 Bad Gateway nginx.")


async def test_a_giant_error_is_shortened(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    text = "no " * 1_000_000
    error = await failing(serve, open_endpoint, lambda: web.Response(status=400, text=text))
    assert len(str(error)) < 500


@pytest.mark.parametrize("status", [200, 500])
async def test_a_flood_is_cut_off(serve: Serve, open_endpoint: OpenEndpoint, status: int) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        chunk = b"x" * 1_000_000
        while sent < 400:
            await response.write(chunk)
            sent += 1
        return response

    endpoint = await open_endpoint(await serve(flood), retry=ONCE)
    with pytest.raises(ModelError, match="longer than 32 MB") as raised:
        await ModelClient(endpoint, "m").complete(MESSAGES)
    assert raised.value.kind == "transient"
    assert sent < MAX_BODY / 1_000_000 * 3


async def test_a_compressed_bomb_is_cut_off(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    bomb = gzip.compress(b"x" * 100_000_000)
    make = lambda: web.Response(body=bomb, headers={"Content-Encoding": "gzip"})  # noqa: E731
    error = await failing(serve, open_endpoint, make)
    assert "longer than 32 MB" in str(error)


async def test_an_answer_that_is_compressed_unasked_is_read(
    serve: Serve, open_endpoint: OpenEndpoint
) -> None:
    asked: list[str | None] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers.get("Accept-Encoding"))
        return web.Response(body=gzip.compress(GOOD), headers={"Content-Encoding": "gzip"})

    endpoint = await open_endpoint(await serve(handle))
    reply = await ModelClient(endpoint, "m").complete(MESSAGES)
    assert reply.content == "Hello \u4e16\u754c"
    assert asked == ["identity"]


async def test_a_redirect_is_not_followed_and_the_key_goes_nowhere(
    serve: Serve, open_endpoint: OpenEndpoint
) -> None:
    seen: list[str] = []

    async def other(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(body=GOOD)

    target = await serve(other)
    make = lambda: web.Response(status=307, headers={"Location": f"{target}/chat/completions"})  # noqa: E731
    error = await failing(serve, open_endpoint, make)
    assert error.kind == "request"
    assert target in str(error)
    assert seen == []


async def test_a_wrong_path_says_so(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    base = await serve(answering(lambda: web.Response(body=GOOD)))
    endpoint = await open_endpoint(base.removesuffix("/v1"))
    with pytest.raises(ModelError, match="answered 404 .* Its address has no path; those of most") as raised:
        await ModelClient(endpoint, "m").complete(MESSAGES)
    assert raised.value.kind == "denied"
    base = await serve(answering(lambda: web.Response(status=404)))
    with pytest.raises(ModelError, match=r"answered 404 for model m[^.]*\.$"):
        await ModelClient(await open_endpoint(base), "m").complete(MESSAGES)


async def test_the_environment_does_not_leak_into_requests(
    serve: Serve, open_endpoint: OpenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OPENAI_API_KEY": "sk-someone-else",
        "OPENAI_ADMIN_KEY": "sk-admin",
        "OPENAI_ORG_ID": "org-secret",
        "OPENAI_PROJECT_ID": "proj-secret",
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    seen: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        return web.Response(body=GOOD)

    endpoint = await open_endpoint(await serve(handle))
    await ModelClient(endpoint, "m").complete(MESSAGES)
    assert seen[0]["Authorization"] == f"Bearer {KEY}"
    assert not any("secret" in value for value in seen[0].values())


async def test_surrogates_in_the_history_do_not_break_a_call(
    serve: Serve, open_endpoint: OpenEndpoint
) -> None:
    bodies: list[object] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.Response(body=GOOD)

    endpoint = await open_endpoint(await serve(handle), stream=False)
    await ModelClient(endpoint, "m").complete([{"role": "user", "content": "name \udcff.txt"}])
    assert bodies == [{"model": "m", "messages": [{"role": "user", "content": "name ?.txt"}]}]


async def test_a_closed_endpoint_is_a_programming_error(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    endpoint = await open_endpoint(await serve(answering(lambda: web.Response(body=GOOD))))
    await endpoint.__aexit__(None, None, None)
    with pytest.raises(RuntimeError, match="not open"):
        await ModelClient(endpoint, "m").complete(MESSAGES)


def test_importing_the_room_loads_no_heavy_package() -> None:
    script = (
        "import sys\n"
        "import agentbatch.model.client, agentbatch.spending.pricing, agentbatch.model.endpoint\n"
        "heavy = {'openai', 'aiohttp', 'httpx2', 'tiktoken', 'genai_prices'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {sorted(heavy)}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
