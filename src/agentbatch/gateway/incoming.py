"""An agent's request, read: who it is from, and what it asks. Untrusted throughout."""

import asyncio
from typing import Any

from aiohttp import web
from pydantic_core import from_json

from agentbatch.files import json_object, json_weight
from agentbatch.gateway.account import Account

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a request; a million tokens are four."""

MAX_WEIGHT = 64 * 1024 * 1024
"""Bytes of memory that one request may take; those of one account together take twice that."""

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
    too_large = RefusedRequest(413, f"A request has at most {MAX_BODY // (1024 * 1024)} MB.")
    if (request.content_length or 0) > MAX_BODY:
        raise too_large
    try:
        async with asyncio.timeout(ARRIVED_WITHIN):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    except web.RequestPayloadError:
        raise RefusedRequest(400, "The request's body is not what its headers say.") from None
    except TimeoutError:
        raise RefusedRequest(408, "The request did not arrive in time.") from None


def hold(account: Account, weight: int) -> None:
    """So many bytes more of memory for a request of the account's. Raises RefusedRequest."""
    if account.weight + weight > 2 * MAX_WEIGHT:
        raise RefusedRequest(429, "The requests under way are too large for another one.")
    account.weight += weight


def weight_of(content: bytes) -> int:
    """Bytes of memory that it takes once it is read, about. Raises RefusedRequest for too many."""
    weight = json_weight(content)
    if weight > MAX_WEIGHT:
        raise RefusedRequest(413, "The request has too many parts.")
    return weight


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
