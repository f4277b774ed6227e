"""One HTTP request to an endpoint."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self
from urllib.parse import urlsplit

from agentbatch import __version__
from agentbatch.model.http.access import Access
from agentbatch.model.http.address import joined, split_user
from agentbatch.model.http.errors import DisconnectedError, RequestTimeoutError, UnreachedError, broken
from agentbatch.model.http.proxy import proxy_of
from agentbatch.model.http.unreached import unreached

if TYPE_CHECKING:
    import aiohttp

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer. A model's longest output is under one; more than this is not an answer."""

MAX_STREAM = 8 * MAX_BODY
"""Bytes of a streamed answer. A token comes in a chunk of 200 to 400 bytes; the longest outputs of models are under
200,000 tokens."""

CHUNK = 16 * 1024
"""Bytes of a body that are read at a time, at most."""

TIMEOUT_SLACK = 1.0
"""Seconds, at most, by which a timeout comes late: it is not rescheduled for every chunk."""

TRAILER_TIMEOUT = 10.0
"""Seconds that a stream may take from the finish reason to its end: usage comes in between."""

DONE_TIMEOUT = 0.5
"""Seconds that a stream may take from [DONE] to its end. A connection that is closed before that is not reusable."""

STALE_WITHIN = 2.0
"""Seconds. A connection that the server closed while it was idle fails within this time."""

MAX_UNSENT = 5
"""Connections on which one request may turn out not to have been sent."""

KEEPALIVE = 30.0
"""Seconds that an idle connection is kept: about a tool call, less than the minute after which servers close it."""


WHOLE: Mapping[int, int] = MappingProxyType({201: 200, 203: 200})
"""Statuses of answers that say no less than 200: frameworks answer each POST with 201 (NestJS), proxies with 203."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class HttpAnswer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


Received = Literal["nothing", "data", "trailer", "end"]
"""What a chunk of a body contained: nothing but keep-alives; data; data after the finish reason; the end."""


class BodyReader(Protocol):
    """Reads the body of a 200 as it arrives."""

    @property
    def whole(self) -> bool:
        """The answer is complete, although the connection may still be open."""
        ...

    def feed(self, chunk: bytes) -> Received:
        """Read the next chunk. An exception ends the request."""
        ...


KeyForm = Literal["bearer", "anthropic"]
"""How a key is told: as OpenAI's API has it, or as Anthropic's does."""

Drain = Callable[[], Awaitable[None]]
"""Called between the chunks of a body: hands on what was read, however long that takes."""


class Transport:
    """The connection pool of one endpoint. `open` needs the event loop; `close` ends every connection.

    aiohttp, not the openai package's client: that takes 0.4 s to import and doubles the CPU time of a request.
    """

    def __init__(
        self,
        session: "aiohttp.ClientSession",
        url: str,
        headers: Mapping[str, str],
        request_timeout: float,
        proxy: str | None,
        *,
        takes_key: bool = True,
    ) -> None:
        self._session = session
        self._url = url
        self._headers = dict(headers)
        self._takes_key = takes_key
        self._key = ""
        self._request_timeout = request_timeout
        self._proxy = proxy
        self._answered = False
        """There may be idle connections."""

    @classmethod
    async def open(
        cls,
        base_url: str,
        api_key: str,
        request_timeout: float,
        connect_timeout: float,
        pool: int,
        access: Access = Access(),  # noqa: B008 (frozen)
    ) -> Self:
        """Raises UserError for certificates, and for a proxy of the environment, that cannot be used."""
        import aiohttp  # 0.2 s that a command without model calls does not need

        url, authorization = split_user(base_url)
        proxy = proxy_of(url)
        tls = access.certificates.context() if urlsplit(url).scheme == "https" else True
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=pool, keepalive_timeout=KEEPALIVE, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout),
        )
        headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"agentbatch/{__version__}",
        }
        if authorization:
            headers["authorization"] = authorization
        headers |= {name.lower(): value for name, value in access.headers.items()}
        takes_key = not authorization and not access.has_key
        made = cls(session, url, headers, request_timeout, proxy, takes_key=takes_key)
        made.use_key(api_key)
        return made

    def use_key(self, api_key: str) -> None:
        """From the next request on, unless a header or the address stands for the key."""
        self._key = api_key
        if self._takes_key:
            self._headers["authorization"] = f"Bearer {api_key or 'none'}"

    def _with_key(self, form: KeyForm) -> Mapping[str, str]:
        if form == "bearer" or not self._takes_key:
            return self._headers
        return in_anthropics_form(self._headers, self._key, urlsplit(self._url).hostname or "")

    async def close(self) -> None:
        await self._session.close()

    async def post(
        self,
        path: str,
        content: bytes,
        reader: BodyReader | None = None,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        key_form: KeyForm = "bearer",
        drain: Drain | None = None,
    ) -> HttpAnswer:
        """Send once: again on another connection where nothing could be written to a kept one. Any HTTP answer
        is returned, whatever its status; raises TransportError when there was none.

        With a reader the body of a 200 goes to it, and the answer's own body is empty. The request timeout then limits
        the time before the first data and between data, but for that which `drain` takes. `headers`, in lower case:
        beside those that every request has, which count for more.
        """
        sending = {**headers, **self._with_key(key_form)}
        for left in reversed(range(MAX_UNSENT)):
            sent = time.monotonic()
            try:
                answer = await self._post(path, content, reader, sending, drain)
                break
            except DisconnectedError as error:
                if not (error.unsent and left):
                    error.stale = self._answered and time.monotonic() - sent <= STALE_WITHIN
                    raise
        self._answered = True
        return answer

    async def _post(
        self,
        path: str,
        content: bytes,
        reader: BodyReader | None,
        headers: Mapping[str, str],
        drain: Drain | None,
    ) -> HttpAnswer:
        import aiohttp

        from agentbatch.model.http.body import Body

        body, streams = Body(content), False
        try:
            async with (
                asyncio.timeout(self._request_timeout) as timeout,
                self._session.post(
                    joined(self._url, path),
                    data=body,
                    headers=headers,
                    proxy=self._proxy,
                    allow_redirects=False,
                ) as response,
            ):
                told, status = response.headers, WHOLE.get(response.status, response.status)
                if reader is None or status != 200:
                    return HttpAnswer(status, told, await _read(response))
                streams = True
                await self._follow(response, reader, timeout, drain)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            missing = unreached(error, self._url, self._proxy)
            if missing is not None:
                raise UnreachedError(missing.words, proxy=missing.proxy) from None
            if reader is None or not reader.whole:
                if isinstance(error, TimeoutError):
                    raise RequestTimeoutError(_timed_out(streams, self._request_timeout)) from None
                raise broken(error, self._request_timeout, streams, unsent=not body.sent) from None
        return HttpAnswer(200, told, b"")

    async def _follow(
        self,
        response: "aiohttp.ClientResponse",
        reader: BodyReader,
        timeout: asyncio.Timeout,
        drain: Drain | None,
    ) -> None:
        """Hand the body to the reader, extending the timeout whenever data arrives."""
        loop = asyncio.get_running_loop()
        received = 0
        async for chunk in response.content.iter_chunked(CHUNK):
            received += len(chunk)
            if received > MAX_STREAM:
                raise _too_long(MAX_STREAM)
            kind = reader.feed(chunk)
            if kind != "nothing":
                self._extend(timeout, kind, loop.time())
            if drain is not None:
                left = (timeout.when() or 0.0) - loop.time()
                timeout.reschedule(None)
                await drain()
                timeout.reschedule(loop.time() + left)

    def _extend(self, timeout: asyncio.Timeout, kind: Received, now: float) -> None:
        if kind == "data":
            due = timeout.when() or 0.0
            if due < now + self._request_timeout:
                timeout.reschedule(
                    now + self._request_timeout + min(TIMEOUT_SLACK, self._request_timeout / 10)
                )
        else:
            seconds = DONE_TIMEOUT if kind == "end" else TRAILER_TIMEOUT
            timeout.reschedule(now + min(seconds, self._request_timeout))


def in_anthropics_form(headers: Mapping[str, str], key: str, host: str) -> dict[str, str]:
    """With the key as Anthropic's API has it. Gateways and servers of others take one or the other (OpenRouter and vLLM
    `Authorization`, llama.cpp both): they are given both. Anthropic's own takes no key as a bearer's (deepsec #55), and
    tokens of a login as nothing else (litellm #21039)."""
    if not host.endswith("anthropic.com"):
        return {**headers, "x-api-key": key or "none"}
    if key.startswith("sk-ant-oat"):
        return dict(headers)
    return {name: value for name, value in headers.items() if name != "authorization"} | {"x-api-key": key}


async def _read(response: "aiohttp.ClientResponse") -> bytes:
    """The whole body. Raises ClientPayloadError when it is longer than MAX_BODY."""
    chunks: list[bytes] = []
    received = 0
    async for chunk in response.content.iter_chunked(CHUNK):  # unpacked chunk by chunk, a zip bomb too
        received += len(chunk)
        if received > MAX_BODY:
            raise _too_long(MAX_BODY)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_long(limit: int) -> "aiohttp.ClientPayloadError":
    import aiohttp

    return aiohttp.ClientPayloadError(f"the answer is longer than {limit // (1024 * 1024)} MB")


def _timed_out(streams: bool, seconds: float) -> str:
    return f"no data for {seconds:g} s" if streams else f"no answer within {seconds:g} s"
