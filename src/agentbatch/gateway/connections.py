"""The connections of agents, which cost nothing to open: how many there are is bounded, for each and for all."""

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from agentbatch.gateway.account import Account
from agentbatch.gateway.incoming import MAX_BODY

MAX_STRANGERS = 128
"""Connections that have not shown a token yet. With more, the oldest is closed: who has one shows it at once."""

MAX_CONNECTIONS = 64
"""Of one account."""

KEEP_ALIVE = 30.0
"""Seconds that an idle connection is kept."""


class Connections(web.Server):
    """Serves them with `handle`, a low-level handler of requests."""

    def __init__(self, handle: Any) -> None:
        super().__init__(
            handle,
            request_factory=_make_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=KEEP_ALIVE,
            logger=_log,
        )
        self._strangers: dict[RequestHandler, None] = {}
        self._known: dict[RequestHandler, Account] = {}

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._strangers[handler] = None
        if len(self._strangers) > MAX_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.force_close()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._strangers.pop(handler, None)
        account = self._known.pop(handler, None)
        if account is not None:
            account.connections -= 1

    def admit(self, handler: RequestHandler, account: Account) -> bool:
        """It has shown the account's token. False: the account has too many."""
        if handler in self._known:
            return True
        if account.connections >= MAX_CONNECTIONS:
            return False
        if handler in self._strangers:
            del self._strangers[handler]
            self._known[handler] = account
            account.connections += 1
        return True


def _make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)


def _is_ours(record: logging.LogRecord) -> bool:
    """What an agent sends that is no HTTP is no news; a fault of ours is."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError | OSError)


_log = logging.getLogger(__name__)
_log.addFilter(_is_ours)
