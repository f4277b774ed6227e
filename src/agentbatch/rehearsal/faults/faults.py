"""Scripted failures, played on a real connection."""

import asyncio
import json

from aiohttp import web

from agentbatch.rehearsal.apis.api import Api, ParsedRequest
from agentbatch.rehearsal.apis.paths import api_at
from agentbatch.rehearsal.faults.refusals import Dialect, Problem
from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.streaming import begin

BY_STATUS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("request_forbidden", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}
"""Type and code that OpenAI sends with a status; 5xx are `server_error` without a code."""

GARBAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"
"""What some proxies send with a 200."""


async def play_fault(
    fault: Fault, request: web.BaseRequest, dialect: Dialect, asked: ParsedRequest | None = None
) -> web.StreamResponse | None:
    """The response to send; None when the connection was closed instead. `asked`: a request for a stream. `hang` and
    `stall` wait until they are cancelled."""
    api = api_at(request.path)
    if fault.kind == "status" or fault.kind == "garbage":
        return _response(fault, api, dialect)
    if fault.kind == "error":
        return await _error(fault, request, dialect, asked)
    begun = None
    if fault.kind in ("cut", "stall", "short"):
        begun = await (_begin(request) if asked is None else begin(request, _begun(api, asked)))
    if fault.kind in ("hang", "stall"):
        await asyncio.get_running_loop().create_future()
    if fault.kind == "short":
        return begun
    if request.transport is not None:
        request.transport.abort()
    return None


def _response(fault: Fault, api: Api, dialect: Dialect) -> web.Response:
    if fault.kind == "garbage":
        usual, status = GARBAGE, 200
    else:
        usual, status = json.dumps(api.error(_problem(fault), dialect)), fault.status
    body = usual if fault.body is None else fault.body
    return web.Response(text=body, status=status, headers=fault.headers, content_type=fault.content_type)


def _problem(fault: Fault) -> Problem:
    kind, code = BY_STATUS.get(fault.status, ("server_error", None))
    if fault.code == "insufficient_quota":
        kind = "insufficient_quota"
    return Problem(fault.status, fault.message, type=kind, code=fault.code or code)


async def _error(
    fault: Fault, request: web.BaseRequest, dialect: Dialect, asked: ParsedRequest | None
) -> web.StreamResponse:
    """An error after a 200: in the middle of a stream, or instead of a completion."""
    api, problem = api_at(request.path), _problem(fault)
    if asked is None:
        return web.json_response(api.fallen(problem, dialect))
    response = await begin(request, _begun(api, asked))
    await response.write(api.failure(problem, dialect))
    return response


def _begun(api: Api, asked: ParsedRequest) -> list[bytes]:
    """The first events of an answer, cut in the middle of a word."""
    message = {"role": "assistant", "content": "I look at the files fir"}
    completion = {"id": "chatcmpl-rehearsal", "choices": [{"message": message, "finish_reason": None}]}
    return list(api.events(completion, asked, usage=False, tokens=1))[: -api.ending]


async def _begin(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"id": "chatcmpl-rehearsal", "object": "chat.completion", "choices": [{"mess')
    return response
