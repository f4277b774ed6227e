"""The gateway's HTTP server: on loopback, for agents that are not to be trusted."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from agentbatch.files import json_object
from agentbatch.gateway.account import Account, Accounts
from agentbatch.gateway.apis.api import Api
from agentbatch.gateway.apis.chat import ChatApi
from agentbatch.gateway.apis.messages import MessagesApi
from agentbatch.gateway.apis.responses import ResponsesApi
from agentbatch.gateway.call import Call
from agentbatch.gateway.token_count import count_tokens
from agentbatch.model.reply import ModelError
from agentbatch.model.request.request import encode_body
from agentbatch.spending.billing import AbandonedError
from agentbatch.spending.budget import BudgetExhausted

MAX_BODY = 32 * 1024 * 1024
"""Bytes of a request, as at Anthropic; a million tokens are four."""

MAX_CALLS = 32
"""Calls of one account at the same time. An agent with helpers of its own has a dozen."""

BODY_TIMEOUT = 60.0
"""Seconds for a request to arrive."""

TAKEN_WITHIN = 60.0
"""Seconds that an agent may leave a part of an answer unread: its call holds a place at the endpoint."""

CHAT = ChatApi()
APIS: Mapping[str, Api] = {
    f"/v1{api.path}": api for api in cast(tuple[Api, ...], (CHAT, ResponsesApi(), MessagesApi()))
}

COUNT_TOKENS = "/v1/messages/count_tokens"

OVER = 402
"""The status of a call that may not be made any more, with an `invalid_request_error`: the one answer at which every
agent that was tried stops. 403, 429 and words of a quota have some of them try for ever."""

PASSED_ON = ("request", "overflow", "denied")
"""Kinds of refusals that are the agent's own business: it is shown them as they are, and may ask in another way."""


class Server:
    """Serves the accounts that are open."""

    def __init__(self, accounts: Accounts) -> None:
        self.port = 0
        self._accounts = accounts
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        server = web.Server(
            self._handle, request_factory=_make_request, handler_cancellation=True, access_log=None
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        api = APIS.get(request.path.removesuffix("/count_tokens"), CHAT)
        if request.host not in (f"127.0.0.1:{self.port}", f"localhost:{self.port}"):
            return _error(api, 421, "This is not the host that you look for.")
        account = self._accounts.find(_token(request))
        if account is None:
            return _error(api, 401, "There is no such token.")
        if request.path == "/v1/models" and request.method == "GET":
            return _json(200, _models(account))
        if request.path not in (*APIS, COUNT_TOKENS) or request.method != "POST":
            return _error(api, 404, f"There is no {request.method} {request.path[:100]} here.")
        return await self._of_account(request, api, account)

    async def _of_account(self, request: web.BaseRequest, api: Api, account: Account) -> web.StreamResponse:
        if account.ended is not None:
            return _error(api, OVER, str(account.ended))
        if len(account.calls) >= MAX_CALLS:
            return _error(api, 429, f"Up to {MAX_CALLS} calls at the same time.")
        mine = asyncio.current_task()
        assert mine is not None
        account.calls.add(mine)
        try:
            return await self._call(request, api, account)
        finally:
            account.calls.discard(mine)

    async def _call(self, request: web.BaseRequest, api: Api, account: Account) -> web.StreamResponse:
        try:
            async with asyncio.timeout(BODY_TIMEOUT):
                content = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _error(api, 413, f"A request has at most {MAX_BODY // (1024 * 1024)} MB.")
        except TimeoutError:
            return _error(api, 408, "The request did not arrive.")
        body = json_object(content)
        if body is None:
            return _error(api, 400, "The request is no JSON object.")
        refusal = api.refusal(body)
        if refusal:
            return _error(api, 400, refusal)
        if request.path == COUNT_TOKENS:
            return _json(200, {"input_tokens": await count_tokens(account, body, request.headers)})
        stream = Stream(request)
        call = Call(api, account, body, content, request.headers, stream.write)
        try:
            await account.stored()
            await account.billing.call(call.asked, call.make)
        except BudgetExhausted as error:
            account.ended = account.ended or error
            return await stream.failed(api, OVER, str(error))
        except ModelError as error:
            return await self._failed(api, account, call, stream, error)
        except AbandonedError:
            return web.Response()  # nobody reads it
        except OSError as error:  # of the store: the run is about to stop
            return await stream.failed(api, 500, account.endpoint.redact(str(error)))
        account.broken = 0
        if stream.response is not None:
            with contextlib.suppress(OSError):
                await stream.response.write_eof()
            return stream.response
        return web.Response(body=call.document, content_type="application/json")

    async def _failed(
        self, api: Api, account: Account, call: Call, stream: "Stream", error: ModelError
    ) -> web.StreamResponse:
        redact = account.endpoint.redact
        text = redact(str(error))
        if error.kind in PASSED_ON:
            status = error.status if error.status is not None and error.status >= 400 else 400
            document = json_object(call.refused.body) if call.refused is not None else None
            if stream.response is None and document is not None:
                return web.Response(
                    body=redact(encode_body(document).decode()).encode(),
                    status=status,
                    content_type="application/json",
                )
            return await stream.failed(api, status, text)
        account.broken += call.begun
        if not call.begun or account.broken > account.endpoint.retry.max_retries:
            account.ended = account.ended or error
        return await stream.failed(api, OVER, text)


class Stream:
    """A streamed answer to an agent: it begins with the first byte of it."""

    def __init__(self, request: web.BaseRequest) -> None:
        self.response: web.StreamResponse | None = None
        self._request = request

    async def write(self, data: bytes) -> None:
        """Raises AbandonedError when the agent is gone, or does not read what it was given."""
        try:
            async with asyncio.timeout(TAKEN_WITHIN):
                if self.response is None:
                    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
                    self.response = web.StreamResponse(headers=headers)
                    await self.response.prepare(self._request)
                await self.response.write(data)
        except OSError:
            raise AbandonedError from None

    async def failed(self, api: Api, status: int, message: str) -> web.StreamResponse:
        """The answer is an error: in its place, or at the end of what was sent of it."""
        if self.response is None:
            return _error(api, status, message)
        with contextlib.suppress(AbandonedError, OSError):
            await self.write(api.error_event(message))
            await self.response.write_eof()
        return self.response


def _token(request: web.BaseRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


def _make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)


def _json(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(body=encode_body(body), status=status, content_type="application/json")


def _error(api: Api, status: int, message: str) -> web.Response:
    return _json(status, api.error(status, message))


def _models(account: Account) -> dict[str, Any]:
    names = [account.model, *sorted(account.others - {account.model})]
    models = [
        {
            "id": name,
            "object": "model",
            "type": "model",
            "display_name": name,
            "created": 0,
            "created_at": "1970-01-01T00:00:00Z",
            "owned_by": "agentbatch",
        }
        for name in names
    ]
    # OpenAI's list and Anthropic's in one.
    return {"object": "list", "data": models, "has_more": False, "first_id": names[0], "last_id": names[-1]}
