"""The gateway's HTTP server: on loopback, for agents that are not to be trusted."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import cast

from aiohttp import web

from agentbatch.files import json_object
from agentbatch.gateway import answers
from agentbatch.gateway.account import Account, Accounts
from agentbatch.gateway.answers import Stream
from agentbatch.gateway.apis.api import Api
from agentbatch.gateway.apis.chat import ChatApi
from agentbatch.gateway.apis.messages import MessagesApi
from agentbatch.gateway.apis.responses import ResponsesApi
from agentbatch.gateway.call import Call
from agentbatch.gateway.connections import Connections
from agentbatch.gateway.incoming import (
    MAX_BODY,
    RefusedRequest,
    body_of,
    content_of,
    hold,
    token_of,
    weight_of,
)
from agentbatch.gateway.token_count import count_tokens
from agentbatch.model.reply import ModelError
from agentbatch.patterns import regex
from agentbatch.spending.billing import AbandonedError
from agentbatch.spending.budget import BudgetExhausted

MAX_CALLS = 32
"""Calls of one account at the same time. An agent with helpers of its own has a dozen."""

FRUITLESS = 300
"""Calls in a row that the endpoint refused as they are, or that the agent gave up: then its turn is ended. Each is two
lines in the run's events, and some agents ask for ever."""

CHAT = ChatApi()
APIS: Mapping[str, Api] = {
    f"/v1{api.path}": api for api in cast(tuple[Api, ...], (CHAT, ResponsesApi(), MessagesApi()))
}
COUNT_TOKENS = "/v1/messages/count_tokens"
MODELS = "/v1/models"

OVER = 402
"""The status of a call that may not be made any more, with an `invalid_request_error`: the one answer at which every
agent that was tried stops. 403, 429 and words of a quota have some of them try for ever."""

_HERE = regex(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.ASCII)
"""What a request calls this host: not by a name that a page in a browser lets point here. The port is another one for a
program on a node of a cluster."""

PASSED_ON = ("request", "overflow", "denied")
"""Kinds of refusals that are the agent's own business: it is shown them as they are, and may ask in another way."""


class Server:
    """Serves the accounts that are open."""

    def __init__(self, accounts: Accounts) -> None:
        self.port = 0
        self._accounts = accounts
        self._connections = Connections(self._handle)
        self._runner = web.ServerRunner(self._connections, shutdown_timeout=0.1)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, method = request.path, request.method
        api = APIS.get(path.removesuffix("/count_tokens"), CHAT)
        if not _HERE.fullmatch(request.headers.get("Host", "")):
            return _closing(answers.error(api, 421, "This is not the host that you look for."))
        if not (path in APIS or path == COUNT_TOKENS or path.startswith(MODELS)):
            return _closing(answers.error(api, 404, f"There is no {path[:100]} here."))
        account = self._accounts.find(token_of(request))
        if account is None:
            return _closing(answers.error(api, 401, "There is no such token."))
        if not self._connections.admit(request.protocol, account):
            return _closing(answers.error(api, 429, "Too many connections."))
        if method == "GET" and path.startswith(MODELS):
            return _models(api, account, path.removeprefix(MODELS).strip("/"))
        if method != "POST" or path.startswith(MODELS):
            return answers.error(api, 404, f"There is no {method[:20]} {path[:100]} here.")
        if account.ended is None and account.fruitless >= FRUITLESS:
            text = f"The coder's calls of its model came to nothing {FRUITLESS} times in a row."
            account.ended = ModelError("request", text)
        if account.ended is not None:
            return answers.error(api, OVER, str(account.ended))
        if len(account.calls) >= MAX_CALLS:
            return answers.error(api, 429, f"Up to {MAX_CALLS} calls at the same time.")
        mine = asyncio.current_task()
        assert mine is not None
        account.calls.add(mine)
        try:
            return await self._weighed(request, api, account)
        except RefusedRequest as refused:
            return answers.error(api, refused.status, str(refused))
        except AbandonedError:
            return web.Response()  # nobody reads it
        finally:
            account.calls.discard(mine)

    async def _weighed(self, request: web.BaseRequest, api: Api, account: Account) -> web.StreamResponse:
        """Its memory counts from its first byte on: first what it announces, then what it takes."""
        announced = request.content_length
        weight = MAX_BODY if announced is None else announced
        hold(account, weight)
        try:
            content = await content_of(request)
            more = weight_of(content) - weight
            hold(account, more)
            weight += more
            body = body_of(content)
            if request.path == COUNT_TOKENS:
                counted = await count_tokens(account, body, request.headers)
                return answers.document(200, {"input_tokens": counted})
            refusal = api.refusal(body)
            if refusal:
                raise RefusedRequest(400, refusal)
            stream = Stream(request)
            call = Call(api, account, body, content, request.headers, stream.write)
            return await self._call(call, api, account, stream, streams=bool(body.get("stream")))
        finally:
            account.weight -= weight

    async def _call(
        self, call: Call, api: Api, account: Account, stream: Stream, *, streams: bool
    ) -> web.StreamResponse:
        account.fruitless += 1
        try:
            async with AsyncExitStack() as stack:
                if streams:
                    await stack.enter_async_context(stream.kept_open())
                await account.stored()
                await account.billing.call(call.asked, call.make)
                # What the agent does once it has the whole answer may outlive us: the call is in the bill by then.
                await account.stored()
                await call.show()
        except BudgetExhausted as error:
            account.ended = account.ended or error
            return await stream.failed(api, OVER, str(error))
        except ModelError as error:
            return await _failed(call, api, account, stream, error)
        except OSError as error:  # of the store: the run is about to stop
            return await stream.failed(api, 500, account.endpoint.redact(str(error)))
        account.broken = account.fruitless = 0
        if stream.response is None:
            return web.Response(body=call.document, content_type="application/json")
        if call.document:  # no stream after all, and it was kept open
            return await stream.failed(api, 500, "The endpoint sent no stream.")
        return await stream.ended()


async def _failed(
    call: Call, api: Api, account: Account, stream: Stream, error: ModelError
) -> web.StreamResponse:
    text = account.endpoint.redact(str(error))
    if error.kind in PASSED_ON:
        return await _passed_on(call, api, stream, error.status or 400, text)
    account.broken += call.begun
    if not call.begun or account.broken > account.endpoint.retry.max_retries:
        account.ended = account.ended or error
    return await stream.failed(api, OVER, text)


async def _passed_on(call: Call, api: Api, stream: Stream, status: int, text: str) -> web.StreamResponse:
    """A refusal as the endpoint put it: in place of an answer, or inside a stream."""
    said = json_object(call.said)
    if said is not None and stream.response is None:
        return answers.document(status if status >= 400 else 400, said)
    if said is None and call.refused is None and call.said:
        await stream.write(call.said)
        return await stream.ended()
    return await stream.failed(api, status if status >= 400 else 400, text)


def _closing(response: web.Response) -> web.Response:
    """Its connection is not kept."""
    response.force_close()
    return response


def _models(api: Api, account: Account, name: str) -> web.Response:
    """What the account may call, or one of these: in OpenAI's shape and Anthropic's at once."""
    names = [account.model, *sorted(account.others - {account.model})]
    models = {
        one: {
            "id": one,
            "object": "model",
            "type": "model",
            "display_name": one,
            "created": 0,
            "created_at": "1970-01-01T00:00:00Z",
            "owned_by": "agentbatch",
        }
        for one in names
    }
    if name:
        found = models.get(name)
        return answers.document(200, found) if found else answers.error(api, 404, "There is no such model.")
    places = {"has_more": False, "first_id": names[0], "last_id": names[-1]}
    return answers.document(200, {"object": "list", "data": list(models.values()), **places})
