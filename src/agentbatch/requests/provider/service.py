"""The provider's batch service through the openai package: files go up, batches are made, answers come down."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar, cast
from urllib.parse import parse_qsl

from pydantic_core import from_json

from agentbatch.files import open_own
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures import failure as failures
from agentbatch.model.failures.failure import Failure
from agentbatch.model.http.proxy import proxy_of
from agentbatch.model.http.transport import HttpAnswer
from agentbatch.model.http.unreached import unreached
from agentbatch.model.refusals.server_error import tidy
from agentbatch.requests.options import WINDOW
from agentbatch.requests.provider.documents import ProviderState, name_in, read_state
from agentbatch.requests.spec.request import Url

if TYPE_CHECKING:
    from openai import AsyncAPIResponse, AsyncOpenAI

T = TypeVar("T")

MAX_DOCUMENT = 4 * 1024 * 1024
"""Bytes of what the service says of one batch, or of a page of batches."""

MAX_FILE = 8 * 1024 * 1024 * 1024
"""Bytes of a batch's answers: 50,000 of 160 KB each."""

NO_SERVICE = frozenset({404, 405, 501})
"""Statuses of who does not know the address."""

PAGES = 5
"""Pages of 100 batches, the latest first, in which a batch is looked for."""

CONNECT_TIMEOUT = 10.0
"""Seconds."""

Response = AbstractAsyncContextManager["AsyncAPIResponse[Any]"]


class ServiceError(Exception):
    """The service did not do what it was asked to; the text is a sentence, without keys."""

    def __init__(self, failure: Failure, sentence: str) -> None:
        super().__init__(sentence)
        self.failure = failure

    @property
    def status(self) -> int | None:
        return self.failure.status

    @property
    def passes(self) -> bool:
        """It says nothing of what was asked for: later the answer may be another one."""
        return self.failure.kind in ("rate", "quota", "transient")


class ProviderService:
    """The batch service of an endpoint. `async with` it. Retries are ours, by the endpoint's policy, not the
    package's; what could be paid twice (`create`) is looked for before it is tried again."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: AsyncOpenAI | None = None

    async def __aenter__(self) -> Self:
        import httpx2  # lazy, with openai: 0.5 s that `agentbatch --help` does not need
        import openai

        base, _, query = self._endpoint.base_url.partition("?")
        timeout = httpx2.Timeout(self._endpoint.request_timeout, connect=CONNECT_TIMEOUT)
        tls = self._endpoint.access.certificates.context() if base.startswith("https") else True
        self._client = openai.AsyncOpenAI(
            api_key="none",  # `_authorize` knows the one in use
            base_url=base,
            default_query=dict(parse_qsl(query)),
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAioHttpClient(
                timeout=timeout,
                follow_redirects=False,
                trust_env=False,
                verify=tls,
                proxy=proxy_of(base),
                event_hooks={"request": [self._authorize]},
            ),
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._client is not None:
            await self._client.close()

    async def _authorize(self, request: Any) -> None:
        """The key and the headers of plain calls, as they are now."""
        access = self._endpoint.access
        request.headers["authorization"] = f"Bearer {self._endpoint.api_key or 'none'}"
        if access.has_key:
            del request.headers["authorization"]
        request.headers.update(access.headers)

    async def upload(self, path: Path) -> str:
        """The id of the file at the provider. Raises ServiceError, and OSError when the file cannot be read."""

        async def send() -> str:
            with _reading(path) as file:
                files = self._opened.files.with_streaming_response
                document = await _document(
                    files.create(file=(path.name, file, "application/jsonl"), purpose="batch")
                )
            return name_in(document, "id") or _garbage("a file without an id")

        return await self._asked("files", send)

    async def create(self, file_id: str, url: Url) -> str:
        """Begin a batch of an uploaded file; its id. Raises ServiceError."""
        batches = self._opened.batches.with_streaming_response
        begun = ""

        async def send() -> str:
            nonlocal begun
            if begun:  # an attempt without an answer may have got there all the same
                found = await self.find(file_id)
                if found:
                    return found
            begun = file_id
            made = batches.create(input_file_id=file_id, endpoint=url, completion_window=WINDOW)
            state = read_state(await _document(made))
            return state.id if state is not None else _garbage("a batch without an id")

        return await self._asked("batches", send)

    async def find(self, file_id: str) -> str:
        """The id of the batch that was made of a file; empty when there is none, or the service does not say."""
        import openai

        batches = self._opened.batches.with_streaming_response
        after = ""
        for _ in range(PAGES):
            page = batches.list(limit=100, after=after or openai.omit)
            try:
                document = await self._once(partial(_document, page))
            except ServiceError as error:
                if error.status in NO_SERVICE:
                    return ""
                raise
            data = document.get("data") if isinstance(document, dict) else None
            known = [state for state in map(read_state, data if isinstance(data, list) else []) if state]
            for state in known:
                if state.input_file == file_id:
                    return state.id
            if not known or document.get("has_more") is not True or known[-1].id == after:
                return ""
            after = known[-1].id
        return ""

    async def retrieve(self, batch_id: str) -> ProviderState:
        """How it is. Raises ServiceError."""
        return await self._state(lambda batches: batches.retrieve(batch_id), batch_id)

    async def cancel(self, batch_id: str) -> ProviderState:
        """Have it end early. Raises ServiceError."""
        return await self._state(lambda batches: batches.cancel(batch_id), batch_id)

    async def download(self, file_id: str, path: Path) -> None:
        """Raises ServiceError, and OSError when it cannot be written."""
        files = self._opened.files.with_streaming_response

        async def fetch() -> None:
            size = 0
            async with files.content(file_id) as response:
                with _writing(path) as file:
                    async for piece in response.iter_bytes():
                        size += len(piece)
                        if size > MAX_FILE:
                            _garbage(f"a file of more than {MAX_FILE:,} bytes")
                        file.write(piece)

        await self._asked("", fetch)

    @property
    def _opened(self) -> "AsyncOpenAI":
        if self._client is None:
            raise RuntimeError("the service is not open: use `async with service`")
        return self._client

    async def _state(self, ask: Callable[[Any], Response], batch_id: str) -> ProviderState:
        async def send() -> ProviderState:
            state = read_state(await _document(ask(self._opened.batches.with_streaming_response)))
            if state is None or state.id != batch_id:
                _garbage("a document that is not about the batch")
            return cast(ProviderState, state)

        return await self._asked("", send)

    async def _asked(self, entry: str, send: Callable[[], Awaitable[T]]) -> T:
        """With retries. `entry`: the collection that an endpoint with a batch service has; empty past it."""
        endpoint = self._endpoint
        failed, has_new_key = 0, False
        while True:
            used = endpoint.api_key
            try:
                return await self._once(send)
            except ServiceError as error:
                has_new_key = error.status == 401 and not has_new_key and await endpoint.renewed(used)
                if has_new_key:
                    continue
                if entry and error.status in NO_SERVICE:
                    raise ServiceError(error.failure, self._no_service(entry, error.status)) from None
                failed += 1
                if failed > endpoint.retry.max_retries or error.failure.kind not in ("rate", "transient"):
                    raise
                await asyncio.sleep(endpoint.retry.backoff(failed, endpoint.rng, error.failure.wait))

    async def _once(self, send: Callable[[], Awaitable[T]]) -> T:
        import httpx2
        import openai

        try:
            return await send()
        except _GarbageDocument as error:
            raise self._failed(failures.unanswered(f"the service sent {error}")) from None
        except openai.APIStatusError as error:
            answer = HttpAnswer(error.response.status_code, error.response.headers, error.response.content)
            raise self._failed(failures.http_failure(answer, time.time())) from None
        except (openai.APIConnectionError, httpx2.HTTPError, httpx2.StreamError) as error:
            base_url = self._endpoint.base_url
            missing = unreached(error, base_url, proxy_of(base_url))
            if missing is not None:
                raise self._failed(failures.unreached(missing.words, proxy=missing.proxy)) from None
            if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
                raise self._failed(failures.unanswered("it did not answer in time", silent=True)) from None
            cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
            raise self._failed(failures.unanswered(str(cause or error) or "the connection broke")) from None

    def _failed(self, failure: Failure) -> ServiceError:
        self._endpoint.tell_unreached(failure)
        said = f"answered {failure.status}" if failure.status is not None else "gave no usable answer"
        said = "cannot be reached" if failure.unreached else said
        words = tidy(self._endpoint.redact(failure.words)).rstrip(".")
        text = f"The batch service of {self._endpoint.host} {said}{': ' + words if words else ''}."
        used_up = self._endpoint.used_up(failure, text)
        if used_up is not None:
            text += (
                f" {used_up.back(time.time())}: --wait-for-quota does not wait for a batch "
                "service, so resume it then."
            )
        return ServiceError(failure, text)

    def _no_service(self, entry: str, status: int | None) -> str:
        return (
            f"{self._endpoint.host} has no batch service (POST /{entry} was answered {status}): without "
            "--provider-batch the requests go there one by one."
        )


def _reading(path: Path) -> BinaryIO:
    return open(path, "rb")


def _writing(path: Path) -> BinaryIO:
    return open(path, "wb", opener=open_own)


class _GarbageDocument(Exception):
    """The service sent something else than it should."""


def _garbage(what: str) -> Any:
    raise _GarbageDocument(what)


async def _document(answer: Response) -> Any:
    async with answer as response:
        body = bytearray()
        pieces: AsyncIterator[bytes] = response.iter_bytes()
        async for piece in pieces:
            body += piece
            if len(body) > MAX_DOCUMENT:
                _garbage(f"more than {MAX_DOCUMENT:,} bytes about one batch")
    try:
        return from_json(bytes(body))
    except ValueError:
        return _garbage(f"no JSON but {bytes(body[:60]).decode('utf-8', 'replace')!r}")
