"""An app under test: what is on its screen, and waiting for it."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from tests.support.waiting import PATIENCE

MAX_REST = 0.1
"""Seconds between two looks at a condition that takes its time."""


def shown(app: App[Any]) -> str:
    """All text of the screen."""
    return "\n".join(line.text.rstrip() for line in app.screen._compositor.render_strips())


async def until(
    pilot: Pilot[Any], condition: Callable[[], object], what: str = "it did not come to that"
) -> None:
    """Wait for it while the app runs on, and then until what is under way is on the screen."""
    deadline, rest = time.monotonic() + PATIENCE, 0.01
    await pilot.pause()
    if condition():
        return
    while not condition():
        assert time.monotonic() < deadline, f"{what}\n{shown(pilot.app)}"
        await asyncio.sleep(rest)  # `pilot.pause` would have each widget answer, every time
        rest = min(MAX_REST, rest * 1.5)
    await pilot.pause()


async def sees(pilot: Pilot[Any], text: str) -> None:
    """Wait until the text is on the screen."""
    await until(pilot, lambda: text in shown(pilot.app), f"no {text!r} on the screen")


def messages(app: App[Any]) -> list[str]:
    """What it has notified of and still shows."""
    return [note.message for note in app._notifications]
