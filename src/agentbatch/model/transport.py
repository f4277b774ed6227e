"""One HTTP request to an endpoint through the openai package, and every way in which it can come to
nothing."""

import asyncio
import contextlib
import errno
import ipaddress
import time
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from agentbatch import __version__

if TYPE_CHECKING:
    import httpx2

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer. A model's longest output is under one; more than this is not an answer."""

MAX_STREAM = 8 * MAX_BODY
"""Bytes of a streamed answer. A token comes in a chunk of 200 to 400 bytes; the longest outputs of models are under
200,000 tokens."""

SLACK = 1.0
"""Seconds, at most, that a silence may last longer than allowed: the clock is not wound at every piece."""

LAST_WORDS = 10.0
"""Seconds that a stream may take from the finish reason to its end: usage comes in between."""

LINGER = 0.5
"""Seconds that a stream may take from [DONE] to its end. A connection that is closed before cannot be used again."""

STALE_WITHIN = 2.0
"""Seconds. A connection that the server had closed while it was idle fails at once."""

KEEPALIVE = 30.0
"""Seconds that an idle connection is kept: about a tool call, less than the minute after which servers hang
up."""


class HttpAnswer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """No answer came. The text says why, without the address."""


class SilenceError(TransportError):
    """The time ran out."""


class HungUpError(TransportError):
    """The server ended the connection before it began to answer."""


Received = Literal["nothing", "data", "last words", "end"]
"""What a piece of a body brought: nothing but signs of life; data; data after the finish reason; the end."""


class BodyReader(Protocol):
    """Takes the body of a 200 as it comes."""

    @property
    def whole(self) -> bool:
        """The answer is complete, although the connection may go on."""
        ...

    def feed(self, piece: bytes) -> Received:
        """What it raises ends the request."""
        ...


class Transport:
    """The connection pool of one endpoint. `open` needs the event loop; `close` ends every connection.

    Requests go through the openai package's HTTP client but not through its request layer: copying options and
    building request objects there costs as much CPU again as the request itself.
    """

    def __init__(
        self, http: "httpx2.AsyncClient", url: str, headers: Mapping[str, str], request_timeout: float
    ) -> None:
        self._http = http
        self._url = url
        self._headers = headers
        self._request_timeout = request_timeout
        self._answered = False
        """There may be idle connections."""

    @classmethod
    async def open(
        cls, base_url: str, api_key: str, request_timeout: float, connect_timeout: float, pool: int
    ) -> "Transport":
        import httpx2  # lazy, with openai: 0.5 s that `agentbatch --help` does not need
        import openai

        http = openai.DefaultAioHttpClient(
            limits=httpx2.Limits(
                max_connections=pool, max_keepalive_connections=pool, keepalive_expiry=KEEPALIVE
            ),
            timeout=httpx2.Timeout(None, connect=connect_timeout),
            follow_redirects=False,
            # A proxy of the environment cannot reach this machine's own servers.
            trust_env=not is_loopback(base_url),
        )
        headers = {
            "authorization": f"Bearer {api_key or 'none'}",
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": f"agentbatch/{__version__} openai/{openai.__version__}",
        }
        return cls(http, base_url, headers, request_timeout)

    async def close(self) -> None:
        await self._http.aclose()

    async def post(self, path: str, content: bytes, reader: BodyReader | None = None) -> HttpAnswer:
        """Send once. Any HTTP answer is returned, whatever its status; raises TransportError when none came.

        With a reader the body of a 200 goes to it, and the answer's own is empty. Then what counts is silence: before
        the first data and between data no more than the request timeout may pass.

        A connection may have been closed by the server just before it is used again (llama.cpp does so after streams of
        more than five seconds). Such a request never got there, and goes out once more.
        """
        sent = time.monotonic()
        try:
            answer = await self._post(path, content, reader)
        except HungUpError:
            if not self._answered or time.monotonic() - sent > STALE_WITHIN:
                raise
            answer = await self._post(path, content, reader)
        self._answered = True
        return answer

    async def _post(self, path: str, content: bytes, reader: BodyReader | None) -> HttpAnswer:
        import httpx2

        streams = False
        try:
            async with asyncio.timeout(self._request_timeout) as clock:
                request = self._http.build_request(
                    "POST", _joined(self._url, path), content=content, headers=self._headers
                )
                response = await self._http.send(request, stream=True)
                try:
                    if reader is None or response.status_code != 200:
                        body = await _read(response)
                        return HttpAnswer(response.status_code, response.headers, body)
                    streams = True
                    await self._follow(response, reader, clock)
                finally:
                    await response.aclose()
        except TimeoutError:
            if reader is None or not reader.whole:
                raise SilenceError(_silence(streams, self._request_timeout)) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            if reader is None or not reader.whole:
                raise _failed(error, self._request_timeout, streams) from None
        return HttpAnswer(200, response.headers, b"")

    async def _follow(self, response: "httpx2.Response", reader: BodyReader, clock: asyncio.Timeout) -> None:
        """Hand the body to the reader, winding the clock whenever data has come."""
        loop = asyncio.get_running_loop()
        received = 0
        async with contextlib.aclosing(_pieces(response)) as pieces:
            async for piece in pieces:
                received += len(piece)
                if received > MAX_STREAM:
                    raise _too_long(MAX_STREAM)
                kind = reader.feed(piece)
                if kind != "nothing":
                    self._wind(clock, kind, loop.time())

    def _wind(self, clock: asyncio.Timeout, kind: Received, now: float) -> None:
        if kind == "data":
            due = clock.when() or 0.0
            if due < now + self._request_timeout:
                clock.reschedule(now + self._request_timeout + min(SLACK, self._request_timeout / 10))
        else:
            patience = LINGER if kind == "end" else LAST_WORDS
            clock.reschedule(now + min(patience, self._request_timeout))


def _joined(base_url: str, path: str) -> str:
    """The path below the base URL; a query of the base URL (some gateways' API version) stays behind it."""
    base, mark, query = base_url.partition("?")
    return base.rstrip("/") + path + mark + query


def is_loopback(base_url: str) -> bool:
    """Whether it is a server of this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _read(response: "httpx2.Response") -> bytes:
    """The body, as long as it can be an answer. Raises httpx2.ReadError when it is longer."""
    pieces: list[bytes] = []
    received = 0
    async for piece in _pieces(response):
        received += len(piece)
        if received > MAX_BODY:
            raise _too_long(MAX_BODY)
        pieces.append(piece)
    return b"".join(pieces)


def _pieces(response: "httpx2.Response") -> AsyncGenerator[bytes, None]:
    """The body as it comes. Compressed although we asked for none: unpacked piece by piece, so that limits hold for a
    bomb too."""
    compressed = response.headers.get("content-encoding", "identity") != "identity"
    return response.aiter_bytes() if compressed else response.aiter_raw()


def _too_long(limit: int) -> "httpx2.ReadError":
    import httpx2

    return httpx2.ReadError(f"the answer is longer than {limit // (1024 * 1024)} MB")


def _failed(error: Exception, seconds: float, streams: bool) -> TransportError:
    cause = _cause(error, seconds)
    if streams:
        return TransportError(f"the answer broke off: {cause}")
    return HungUpError(cause) if _hung_up(error.__cause__) else TransportError(cause)


def _hung_up(cause: BaseException | None) -> bool:
    import aiohttp

    while cause is not None:
        if isinstance(cause, aiohttp.ServerDisconnectedError | ConnectionError):
            return True
        if isinstance(cause, OSError) and cause.errno in (errno.ECONNRESET, errno.EPIPE):
            return True
        cause = cause.__cause__
    return False


def _silence(streams: bool, seconds: float) -> str:
    return f"no data for {seconds:g} s" if streams else f"no answer within {seconds:g} s"


def _cause(error: BaseException, seconds: float) -> str:
    """Why there was no connection: the words of the deepest cause, since the packages in between rename
    it."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    if isinstance(deepest, TimeoutError):
        return f"{str(deepest) or f'no answer within {seconds:g} s'}"
    return str(deepest) or type(deepest).__name__
