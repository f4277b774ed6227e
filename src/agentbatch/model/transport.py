"""One HTTP request to an endpoint through the openai package, and every way in which it can come to
nothing."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of an answer. A model's longest output is under one; more than this is not an answer."""

LARGEST_COMPRESSED = 1024 * 1024
"""Bytes of an answer that is compressed although we asked for none: a small one can unpack to gigabytes."""

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
    """The connection pool of one endpoint. `open` needs the event loop; `close` ends every connection."""

    def __init__(self, client: "AsyncOpenAI", request_timeout: float) -> None:
        self._client = client
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
            event_hooks={"response": [_limit_body]},
        )
        ours = (urlsplit(base_url).hostname or "").endswith("openai.com")
        foreign: dict[str, openai.Omit] = {
            "OpenAI-Organization": openai.Omit(),
            "OpenAI-Project": openai.Omit(),
        }
        client = openai.AsyncOpenAI(
            api_key=api_key
            or "none",  # an empty one would make the package look for others in the environment
            base_url=base_url,
            max_retries=0,
            http_client=http,
            default_headers=None if ours else foreign,  # type: ignore[arg-type]
        )
        return cls(client, request_timeout)

    async def close(self) -> None:
        await self._client.close()

    async def post(self, path: str, content: bytes) -> HttpAnswer:
        """Send once. Any HTTP answer is returned, whatever its status; raises TransportError when none
        came."""
        import httpx2
        import openai

        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        try:
            async with asyncio.timeout(self._request_timeout):
                response = await self._client.post(
                    path, cast_to=httpx2.Response, content=content, options={"headers": headers}
                )
        except TimeoutError:
            raise TransportError(f"no answer within {self._request_timeout:g} s") from None
        except openai.APIStatusError as error:
            response = error.response
        except openai.APIConnectionError as error:
            raise TransportError(_cause(error, self._request_timeout)) from None
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.DecodingError) as error:
            raise TransportError(str(error) or type(error).__name__) from None
        return HttpAnswer(response.status_code, response.headers, response.content)


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _limit_body(response: "httpx2.Response") -> None:
    """A response hook of the HTTP client, run before the body is read."""
    compressed = response.headers.get("content-encoding", "identity") != "identity"
    limit = LARGEST_COMPRESSED if compressed else LARGEST_BODY
    response.stream = _limited(response.stream, limit)  # type: ignore[arg-type]


def _limited(stream: "httpx2.AsyncByteStream", limit: int) -> "httpx2.AsyncByteStream":
    import httpx2

    class Limited(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for chunk in stream:
                size += len(chunk)
                if size > limit:
                    raise httpx2.ReadError(f"the answer is longer than {limit // (1024 * 1024)} MB")
                yield chunk

        async def aclose(self) -> None:
            await stream.aclose()

    return Limited()


def _cause(error: BaseException, seconds: float) -> str:
    """Why there was no connection: the words of the deepest cause, since the packages in between rename
    it."""
    deepest = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    if isinstance(deepest, TimeoutError):
        return f"{str(deepest) or f'no answer within {seconds:g} s'}"
    return str(deepest) or type(deepest).__name__
