"""A processor on a rehearsal server of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from agentbatch.rehearsal.plain.endpoint import Plain
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.requests import BatchProcessor, RetryPolicy
from tests.support.keys import KEY

Serve = Callable[..., AbstractAsyncContextManager[tuple[BatchProcessor, RehearsalServer]]]


@pytest.fixture
def serve() -> Serve:
    """`async with serve(Plain(…), concurrency=…, server={…}) as (processor, server)`."""

    @asynccontextmanager
    async def served(
        plain: Plain | None = None, *, server: dict[str, Any] | None = None, **options: Any
    ) -> AsyncIterator[tuple[BatchProcessor, RehearsalServer]]:
        async with RehearsalServer(plain=plain or Plain(), **(server or {})) as rehearsal:
            given = {"api_key": KEY, "model": "m", "retry": RetryPolicy(delay=0.01)}
            async with BatchProcessor(base_url=rehearsal.base_url, **{**given, **options}) as processor:
                yield processor, rehearsal

    return served
