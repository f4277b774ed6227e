"""Endpoints for tests: quick retries, no waiting for vocabularies that the network may not have."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.model.tokens import TokenCounter
from agentbatch.toolcalls.forms import TextForms
from tests.support.keys import KEY

OpenEndpoint = Callable[..., Awaitable[Endpoint]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


def no_vocabulary() -> Callable[[str], int]:
    raise OSError("no network in tests")


@pytest.fixture
async def open_endpoint() -> AsyncIterator[OpenEndpoint]:
    """Opens endpoints that live as long as the test. Retries wait at most 20 ms of their own making."""
    async with AsyncExitStack() as stack:

        async def make(base_url: str, *, limits: EndpointLimits | None = None, **settings: Any) -> Endpoint:
            settings.setdefault("retry", RetryPolicy(delay=0.005, cap=0.02))
            settings.setdefault("redact", lambda text: text.replace(KEY, "[redacted]"))
            settings.setdefault("counter", TokenCounter(no_vocabulary))
            settings.setdefault("forms", TextForms())
            endpoint = Endpoint(base_url, KEY, limits=limits or EndpointLimits(), **settings)
            return await stack.enter_async_context(endpoint)

        yield make


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a raw server whose every POST goes to the handler; gives its base URL."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_post("/v1/{path:.*}", handler)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        return f"http://127.0.0.1:{port}/v1"

    yield start
    await asyncio.gather(*(runner.cleanup() for runner in runners))
