"""An app under test: what is on its screen, and waiting for it."""

import time
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from tests.support.waiting import PATIENCE


def shown(app: App[Any]) -> str:
    """All text of the screen."""
    return "\n".join(line.text.rstrip() for line in app.screen._compositor.render_strips())


async def until(
    pilot: Pilot[Any], condition: Callable[[], object], what: str = "it did not come to that"
) -> None:
    """Wait for it while the app runs on."""
    deadline = time.monotonic() + PATIENCE
    await pilot.pause()
    while not condition():
        assert time.monotonic() < deadline, f"{what}\n{shown(pilot.app)}"
        await pilot.pause(0.02)


async def sees(pilot: Pilot[Any], text: str) -> None:
    """Wait until the text is on the screen."""
    await until(pilot, lambda: text in shown(pilot.app), f"no {text!r} on the screen")
