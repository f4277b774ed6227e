"""One HTTP request to an endpoint through the openai package, and every way in which it can come to
nothing."""

import asyncio
import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from agentbatch import __version__

if TYPE_CHECKING:
    import httpx2

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of an answer. A model's longest output is under one; more than this is not an answer."""

KEEPALIVE = 30.0
"""Seconds that an idle connection is kept: about a tool call, less than the minute after which servers hang
up."""


class HttpAnswer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """No answer came. The text says why, without the address."""


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
            timeout=httpx2.Timeout(request_timeout, connect=connect_timeout, pool=None),
            follow_redirects=False,
            # A proxy of the environment cannot reach this machine's own servers.
            trust_env=not _is_loopback(base_url),
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

    async def post(self, path: str, content: bytes) -> HttpAnswer:
        """Send once. Any HTTP answer is returned, whatever its status; raises TransportError when none
        came."""
        import httpx2

        try:
            async with asyncio.timeout(self._request_timeout):
                request = self._http.build_request(
                    "POST", _joined(self._url, path), content=content, headers=self._headers
                )
                response = await self._http.send(request, stream=True)
                try:
                    body = await _read(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise TransportError(f"no answer within {self._request_timeout:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise TransportError(_cause(error, self._request_timeout)) from None
        return HttpAnswer(response.status_code, response.headers, body)


def _joined(base_url: str, path: str) -> str:
    """The path below the base URL; a query of the base URL (some gateways' API version) stays behind it."""
    base, mark, query = base_url.partition("?")
    return base.rstrip("/") + path + mark + query


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _read(response: "httpx2.Response") -> bytes:
    """The body, as long as it can be an answer. Raises httpx2.ReadError when it is longer."""
    import httpx2

    # Compressed although we asked for none: unpacked piece by piece, so that the limit holds for a bomb too.
    compressed = response.headers.get("content-encoding", "identity") != "identity"
    pieces: list[bytes] = []
    received = 0
    async for piece in response.aiter_bytes() if compressed else response.aiter_raw():
        received += len(piece)
        if received > LARGEST_BODY:
            raise httpx2.ReadError(f"the answer is longer than {LARGEST_BODY // (1024 * 1024)} MB")
        pieces.append(piece)
    return b"".join(pieces)


def _cause(error: BaseException, seconds: float) -> str:
    """Why there was no connection: the words of the deepest cause, since the packages in between rename
    it."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    if isinstance(deepest, TimeoutError):
        return f"{str(deepest) or f'no answer within {seconds:g} s'}"
    return str(deepest) or type(deepest).__name__
