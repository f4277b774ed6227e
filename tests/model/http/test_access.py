"""How an endpoint is reached: headers, keys that are renewed, certificates, over real HTTP on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from agentbatch.errors import UserError
from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.http.access import Access, Certificates
from agentbatch.model.http.errors import TransportError
from agentbatch.model.reply import CallUpdate, ModelError
from agentbatch.requests.batch.call import Caller
from agentbatch.requests.spec.request import CHAT
from tests.support.endpoints import OpenEndpoint, Serve

TLS = Path(__file__).parents[2] / "support" / "tls"
OURS = Certificates(ca_bundle=TLS / "ca.pem")
BODY = b'{"model": "m"}'
MESSAGES = [{"role": "user", "content": "Hi"}]


class Door:
    """Takes one key at a time, and keeps what it was sent."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.headers: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(0)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return web.json_response({}, status=401)
        return web.json_response({"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]})


async def attempts(endpoint: Endpoint, updates: list[CallUpdate] | None = None) -> int:
    """Of one call; negative where its key was refused."""
    told = [] if updates is None else updates
    try:
        reply = await ModelClient(endpoint, "m").complete(MESSAGES, observer=told.append)
    except ModelError as error:
        return -error.attempts if (error.kind, error.status) == ("endpoint", 401) else 0
    return reply.attempts


def printed(*keys: str) -> tuple[Callable[[], Awaitable[str]], list[str]]:
    """A command that prints these one after another, the last one for ever; and what it has printed."""
    given: list[str] = []

    async def renew() -> str:
        await asyncio.sleep(0.01)
        given.append(keys[min(len(given), len(keys) - 1)])
        return given[-1]

    return renew, given


async def test_a_key_that_has_expired_is_printed_anew_once_for_all(
    serve: Serve, open_endpoint: OpenEndpoint
) -> None:
    door = Door("sk-two")
    renew, given = printed("sk-two")
    endpoint = await open_endpoint(await serve(door.answer), access=Access(renew=renew))
    updates: list[CallUpdate] = []
    assert await asyncio.gather(*(attempts(endpoint, updates) for _ in range(5))) == [2] * 5
    assert given == ["sk-two"]
    assert len(door.headers) == 10, "five refusals, five more tries"
    told = [update.reason for update in updates if update.kind == "retrying"]
    assert len(told) == 5
    assert told[0].startswith("continuing with another key: ")
    assert await attempts(endpoint) == 1
    assert len(door.headers) == 11


async def test_plain_requests_count_it_too_where_nothing_is_retried(
    serve: Serve, open_endpoint: OpenEndpoint
) -> None:
    renew, _ = printed("sk-two")
    endpoint = await open_endpoint(
        await serve(Door("sk-two").answer),
        access=Access(renew=renew),
        retry=RetryPolicy(max_retries=0),
        stream=False,
    )
    outcome = await Caller(endpoint).call(CHAT, {"model": "m"}, BODY, 1, model="m")
    assert (outcome.error, outcome.attempts) == (None, 2)


async def test_a_command_with_a_new_key_each_time_is_asked_once_for_each_call(
    serve: Serve, open_endpoint: OpenEndpoint
) -> None:
    renew, given = printed("sk-1", "sk-2", "sk-3")
    endpoint = await open_endpoint(await serve(Door("never").answer), access=Access(renew=renew))
    assert [await attempts(endpoint), await attempts(endpoint)] == [-2, -2]
    assert given == ["sk-1", "sk-2"]


async def test_a_key_that_stays_refused_is_asked_for_once(serve: Serve, open_endpoint: OpenEndpoint) -> None:
    door = Door("never")
    renew, given = printed("sk-new")
    endpoint = await open_endpoint(await serve(door.answer), access=Access(renew=renew))
    assert [await attempts(endpoint) for _ in range(3)] == [-2, -1, -1]
    assert given == ["sk-new", "sk-new"], "once for the key at the beginning, once for its successor"
    assert len(door.headers) == 4


async def test_a_command_that_fails_in_the_middle_is_told_and_the_refusal_stands(
    serve: Serve, open_endpoint: OpenEndpoint
) -> None:
    async def renew() -> str:
        raise UserError("CODER_API_KEY_COMMAND: the command ended with exit code 1.")

    told: list[str] = []
    door = Door("sk-other")
    endpoint = await open_endpoint(
        await serve(door.answer), access=Access(renew=renew), on_learned=told.append
    )
    assert await attempts(endpoint) == -1
    assert [text.partition(" refuses ")[2] for text in told] == [
        "the key. CODER_API_KEY_COMMAND: the command ended with exit code 1."
    ]


@pytest.mark.parametrize(
    ("headers", "sent", "bearer"),
    [
        ({"api-key": "azure-key"}, {"api-key": "azure-key"}, False),
        ({"Authorization": "Token t"}, {"authorization": "Token t"}, True),
        ({"X-Title": "batch", "User-Agent": "me"}, {"x-title": "batch", "user-agent": "me"}, True),
    ],
)
async def test_headers_of_the_user_are_sent(
    serve: Serve, open_endpoint: OpenEndpoint, headers: dict[str, str], sent: dict[str, str], bearer: bool
) -> None:
    door = Door("any")
    endpoint = await open_endpoint(await serve(door.answer), access=Access(headers))
    await endpoint.post("/chat/completions", BODY)
    assert {name: door.headers[0].get(name) for name in sent} == sent
    assert ("authorization" in door.headers[0]) is bearer, "a header that stands for the key is the only one"
    assert door.headers[0]["content-type"] == "application/json"


@pytest.fixture
async def secure() -> AsyncIterator[Callable[[bool], Awaitable[str]]]:
    """Starts a server behind a certificate of our own; it may ask for one."""
    runners: list[web.AppRunner] = []

    async def start(asks: bool) -> str:
        async def answer(request: web.Request) -> web.Response:
            return web.json_response({})

        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app, access_log=None)
        runners.append(runner)
        await runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "server.pem")
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(TLS / "ca.pem")
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        return f"https://127.0.0.1:{runner.addresses[0][1]}/v1"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_a_certificate_authority_of_ones_own(
    secure: Callable[[bool], Awaitable[str]], open_endpoint: OpenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = await secure(False)
    stranger = await open_endpoint(url)
    with pytest.raises(TransportError, match=r"the certificate at .* is not trusted \(.*\): --ca-bundle"):
        await stranger.post("/chat/completions", BODY)
    friend = await open_endpoint(url, access=Access(certificates=OURS))
    assert (await friend.post("/chat/completions", BODY)).status == 200
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "ca.pem"))
    by_variable = await open_endpoint(url)
    assert (await by_variable.post("/chat/completions", BODY)).status == 200, "on loopback too"


async def test_a_client_certificate_with_a_password(
    secure: Callable[[bool], Awaitable[str]], open_endpoint: OpenEndpoint
) -> None:
    url = await secure(True)
    unknown = await open_endpoint(url, access=Access(certificates=OURS))
    with pytest.raises(TransportError):
        await unknown.post("/chat/completions", BODY)
    known = Certificates(TLS / "ca.pem", TLS / "client.pem", TLS / "client.key", "open-sesame")
    endpoint = await open_endpoint(url, access=Access(certificates=known))
    assert (await endpoint.post("/chat/completions", BODY)).status == 200


@pytest.mark.parametrize(
    ("certificates", "words"),
    [
        (Certificates(ca_bundle=TLS / "none.pem"), "SSL_CERT_FILE, REQUESTS_CA_BUNDLE): there is no file"),
        (Certificates(ca_bundle=Path(__file__)), "--ca-bundle"),
        (Certificates(client_cert=TLS / "none.pem"), "--client-cert: there is no file"),
        (Certificates(client_cert=TLS / "client.pem"), "--client-key names that"),
        (Certificates(client_cert=TLS / "client.pem", client_key=TLS / "none"), "--client-key: there is no"),
        (
            Certificates(
                client_cert=TLS / "client.pem", client_key=TLS / "client.key", client_key_password="wrong"
            ),
            "AGENTBATCH_CLIENT_KEY_PASSWORD opens it",
        ),
        (Certificates(client_cert=TLS / "client.pem", client_key=TLS / "client.key"), "KEY_PASSWORD"),
    ],
)
def test_certificates_that_cannot_be_used_are_a_sentence(certificates: Certificates, words: str) -> None:
    with pytest.raises(UserError) as refused:
        certificates.context()
    assert words in str(refused.value)
    assert "wrong" not in str(refused.value)
