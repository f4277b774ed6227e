"""A connection to one server, by the protocol's own package: greeted, asked for its tools, called, left.

Whatever it does, the answer is one sentence, and nothing waits for it without an end. To import this file takes 0.6 s
of CPU, the package: that is for tasks that have a server.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Protocol, TypeVar

from mcp import Client, MCPError
from mcp.client.session import ClientSession
from mcp_types import (
    CONNECTION_CLOSED,
    CallToolRequest,
    CallToolRequestParams,
    Implementation,
    ListToolsRequest,
    PaginatedRequestParams,
)
from pydantic import BaseModel, ConfigDict, ValidationError

from agentbatch import __version__
from agentbatch.mcp.problems import ServerProblem, ServerRefusal
from agentbatch.text import clip

START = 60.0
"""Seconds for its start, until it has answered what it is and what tools it has."""
MAX_PAGES = 50
"""Of a list of tools."""
MAX_LISTING = 2 << 20
"""Characters of such a list, as JSON: ordinary ones have some 10,000."""
SAID = 500
"""Characters of a server's own words in a sentence."""

CLOSE = 10.0
"""Seconds that the package gets to leave a connection."""


class Streams(Protocol):
    """Messages that come and go."""

    problem: str
    """Why they have ended, or cannot be used, where that is known; a sentence."""

    def open(self) -> AbstractAsyncContextManager[tuple[Any, Any]]: ...


T = TypeVar("T")


class _Answer(BaseModel):
    """As it came: the session has held it against the protocol."""

    model_config = ConfigDict(extra="allow")


for _name in ("mcp", "client"):  # the package's own, which would tell a terminal what servers say
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


class Connection:
    """Made once a start. The package wants to be entered and left by one task: it is one of our own."""

    def __init__(self, streams: Streams, why_ended: Callable[[], Awaitable[str]]) -> None:
        """`why_ended`: a sentence, where the streams do not know."""
        self._streams = streams
        self._why_ended = why_ended
        self._session: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._left = asyncio.Event()
        self._host = asyncio.create_task(self._stay())

    async def ready(self) -> None:
        """It has said what it is. Raises ServerProblem, ServerRefusal."""
        await self._within(START, lambda: asyncio.shield(self._session))

    async def tools(self) -> list[Any]:
        """As it lists them. Raises ServerProblem, ServerRefusal."""
        found: list[Any] = []
        cursor: str | None = None
        room = MAX_LISTING
        for _ in range(MAX_PAGES):
            page = ListToolsRequest(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
            answer = await self._within(START, partial(self._ask, page))
            listed = answer.get("tools") or []
            cursor = answer.get("nextCursor")
            room -= _length(listed) + len(cursor or "")
            if room < 0:
                raise ServerProblem(f"Its list of tools has more than {MAX_LISTING >> 20} MB.")
            found += listed
            if not cursor:
                return found
        return found

    async def call(self, tool: str, arguments: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """A `CallToolResult` as it came. `timeout`: seconds. Raises ServerProblem, ServerRefusal."""
        params = CallToolRequestParams(name=tool, arguments=dict(arguments))
        return await self._within(timeout, lambda: self._ask(CallToolRequest(params=params)))

    async def close(self) -> None:
        """Leave it; the program is ended by whoever opened it."""
        self._left.set()
        self._host.cancel()
        await asyncio.wait({self._host}, timeout=CLOSE)
        if self._session.done() and not self._session.cancelled():
            self._session.exception()  # it was told to whoever waited

    async def _stay(self) -> None:
        try:
            info = Implementation(name="agentbatch", version=__version__)
            async with Client(self._streams.open(), mode="auto", cache=None, client_info=info) as client:
                self._session.set_result(client.session)
                await self._left.wait()
        except asyncio.CancelledError:
            self._session.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - of the package, in groups: whoever waits is told
            if not self._session.done():
                self._session.set_exception(self._known(_first(error)))

    def _known(self, error: BaseException) -> BaseException:
        if isinstance(error, MCPError | ValidationError):
            return error
        said = clip(str(error), SAID) or type(error).__name__
        return ServerProblem(self._streams.problem or f"It cannot be spoken with: {said}.")

    async def _ask(self, request: Any) -> dict[str, Any]:
        answer = await self._session.result().send_request(request, _Answer)
        return answer.model_extra or {}

    async def _within(self, timeout: float, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(timeout):
                return await ask()
        except TimeoutError:
            late = f"It did not answer within {timeout:g} seconds."
            raise ServerProblem(self._streams.problem or late) from None
        except MCPError as error:
            if problem := self._streams.problem:
                raise ServerProblem(problem) from None
            if error.code == CONNECTION_CLOSED:
                raise ServerProblem(await self._why_ended()) from None
            raise ServerRefusal(clip(str(error), SAID) or f"error {error.code}") from None
        except ValidationError:
            raise ServerProblem("It answered with what is no answer in its protocol.") from None
        except (OSError, RuntimeError, ValueError) as error:
            raise self._known(error) from None


def _length(listed: list[Any]) -> int:
    try:
        return len(json.dumps(listed, ensure_ascii=False))
    except RecursionError:
        raise ServerProblem("Its list of tools is nested too deeply.") from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
