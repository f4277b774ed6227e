"""Scripted failures, played on a real connection."""

import asyncio
import json
from typing import Any

from aiohttp import web

from agentbatch.rehearsal.faults.refusals import Dialect, Problem, error_body
from agentbatch.rehearsal.script import Fault
from agentbatch.rehearsal.streaming import begin, event

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
    fault: Fault, request: web.BaseRequest, dialect: Dialect, streams: bool
) -> web.StreamResponse | None:
    """The response to send, streamed if requested; None when the connection was closed instead. `hang` and `stall` wait
    until they are cancelled."""
    if fault.kind == "status" or fault.kind == "garbage":
        return _response(fault, dialect)
    if fault.kind == "error":
        return await _error(fault, request, dialect, streams)
    begun = None
    if fault.kind in ("cut", "stall", "short"):
        begun = await (begin(request) if streams else _begin(request))
    if fault.kind in ("hang", "stall"):
        await asyncio.get_running_loop().create_future()
    if fault.kind == "short":
        return begun
    if request.transport is not None:
        request.transport.abort()
    return None


def _response(fault: Fault, dialect: Dialect) -> web.Response:
    if fault.kind == "garbage":
        usual, status = GARBAGE, 200
    else:
        usual, status = json.dumps(error_body(_problem(fault), dialect)), fault.status
    body = usual if fault.body is None else fault.body
    return web.Response(text=body, status=status, headers=fault.headers, content_type=fault.content_type)


def _problem(fault: Fault) -> Problem:
    kind, code = BY_STATUS.get(fault.status, ("server_error", None))
    if fault.code == "insufficient_quota":
        kind = "insufficient_quota"
    return Problem(fault.status, fault.message, type=kind, code=fault.code or code)


async def _error(
    fault: Fault, request: web.BaseRequest, dialect: Dialect, streams: bool
) -> web.StreamResponse:
    """An error after a 200: in the middle of a stream, or instead of a completion."""
    body: dict[str, Any] = error_body(_problem(fault), dialect)
    if isinstance(body.get("error"), dict):
        body["error"]["code"] = body["error"].get("code") or fault.status
    if not streams:
        return web.json_response(body)
    response = await begin(request)
    await response.write(event(body))
    return response


async def _begin(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"id": "chatcmpl-rehearsal", "object": "chat.completion", "choices": [{"mess')
    return response
