"""A pane of the run screen by itself, in an app of its own."""

from collections.abc import Callable, Sequence
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from agentbatch.runs import events as e
from agentbatch.tui.reading.view import RunView


class PaneApp(App[None]):
    """Shows the pane that it is given."""

    def __init__(self, pane: Widget) -> None:
        super().__init__()
        self.pane = pane

    def compose(self) -> ComposeResult:
        yield self.pane


def shown(app: App[Any]) -> str:
    """All text of the screen."""
    return "\n".join(line.text.rstrip() for line in app.screen._compositor.render_strips())


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Waits for it, generously."""
    for _ in range(400):
        await pilot.pause(0.05)
        if condition():
            return
    raise AssertionError(f"it did not come to that:\n{shown(pilot.app)}")


async def sees(pilot: Pilot[None], text: str) -> None:
    """Waits until the text is on the screen."""
    await until(pilot, lambda: text in shown(pilot.app))


def news(view: RunView, task_id: str) -> Sequence[e.Event]:
    """What has come up in a task, as the run screen hands it on."""
    return [event for event in view.poll() if getattr(event, "task_id", None) == task_id]
