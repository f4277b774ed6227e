"""Waiting for something to become true: generously, since a loaded machine is slow and not wrong."""

import asyncio
import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds. No test says how soon something happens, so this only has to end a test that hangs."""


async def until(
    condition: Callable[[], object], what: str = "it did not come to that", timeout: float = PATIENCE
) -> None:
    """Wait for it while the event loop runs on."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


def wait_until(
    condition: Callable[[], object], what: str = "it did not come to that", timeout: float = PATIENCE
) -> None:
    """The same, where there is no event loop."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
