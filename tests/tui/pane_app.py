"""A pane of the run screen by itself, in an app of its own."""

from collections.abc import Sequence

from textual.app import App, ComposeResult
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


def news(view: RunView, task_id: str) -> Sequence[e.Event]:
    """What has come up in a task, as the run screen hands it on."""
    return [event for event in view.poll() if getattr(event, "task_id", None) == task_id]
