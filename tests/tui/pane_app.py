"""A pane of the run screen by itself, in an app of its own."""

from collections.abc import Sequence
from typing import Literal

from textual.app import App, ComposeResult
from textual.widget import Widget
from textual.widgets import Static, TabbedContent, TabPane

from agentbatch.runs import events as e
from agentbatch.tui.reading.view import RunView


class PaneApp(App[None]):
    """Shows the pane that it is given."""

    def __init__(self, pane: Widget) -> None:
        super().__init__()
        self.pane = pane

    def compose(self) -> ComposeResult:
        yield self.pane


class HiddenPaneApp(PaneApp):
    """The pane is the second of two tabs, and the first is shown."""

    def compose(self) -> ComposeResult:
        with TabbedContent():
            with TabPane("other", id="other"):
                yield Static("something else")
            with TabPane("pane", id="pane"):
                yield self.pane

    def turn_to(self, tab: Literal["other", "pane"]) -> None:
        self.query_one(TabbedContent).active = tab


def news(view: RunView, task_id: str) -> Sequence[e.Event]:
    """What has come up in a task, as the run screen hands it on."""
    return [event for event in view.poll() if getattr(event, "task_id", None) == task_id]
