"""An agent's request, read: who it is from, and what it asks. Untrusted throughout."""

import asyncio
from typing import Any

from aiohttp import web
from pydantic_core import from_json

from agentbatch.files import json_object

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request; a million tokens are four."""

MAX_WEIGHT = 64 * 1024 * 1024
"""Bytes of memory that one request may take; those of one account together take twice that."""

PIECE = 50
"""Bytes of memory that each value in a JSON text takes, at least: `[[],[],[]...` takes twenty times its length."""

ARRIVED_WITHIN = 60.0
"""Seconds for a request to arrive."""


class RefusedRequest(Exception):
    """Why it is not read: a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def token_of(request: web.BaseRequest) -> str:
    """As agents of either API send their key; empty: there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")


async def content_of(request: web.BaseRequest) -> bytes:
    """Raises RefusedRequest."""
    try:
        async with asyncio.timeout(ARRIVED_WITHIN):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise RefusedRequest(413, f"A request has at most {MAX_BODY // (1024 * 1024)} MB.") from None
    except TimeoutError:
        raise RefusedRequest(408, "The request did not arrive in time.") from None


def weight_of(content: bytes) -> int:
    """Bytes of memory that it takes once it is read, about."""
    return len(content) + PIECE * sum(content.count(sign) for sign in (b",", b"[", b"{"))


def body_of(content: bytes) -> dict[str, Any]:
    """Raises RefusedRequest."""
    try:
        body = from_json(content)
    except ValueError as error:
        if "recursion" in str(error):
            raise RefusedRequest(400, "The request is nested too deeply.") from None
        body = json_object(content)  # it may have half a surrogate pair
    if not isinstance(body, dict):
        raise RefusedRequest(400, "The request is no JSON object.")
    return body
