"""Requests and answers as such: how large one may be, its key, a document as its body."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from agentbatch.config import REHEARSAL_CODER, REHEARSAL_EVALUATOR
from agentbatch.rehearsal.streaming import encode

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a request; far more than a million-token context needs."""


def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)


def key_of(request: web.BaseRequest) -> str:
    """As OpenAI's clients send it, or Anthropic's."""
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return request.headers.get("x-api-key", bearer)


def json_response(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.Response(body=encode(body), status=status, headers=headers, content_type="application/json")


def models() -> dict[str, Any]:
    names = (REHEARSAL_CODER, REHEARSAL_EVALUATOR)
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "agentbatch"} for name in names]
    return {"object": "list", "data": listed}
