"""Asks what is to be said to a task's coder."""

from typing import NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.events import Paste
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from agentbatch.errors import UserError
from agentbatch.runs.control.user_message import MAX_MESSAGE, TOO_LONG, readable
from agentbatch.tui.screens.closed_once import ClosedOnce


class DraftMessage(NamedTuple):
    text: str
    is_said: bool
    """False: it was only left for now."""


class Words(TextArea):
    """Several lines. Enter is a line end: a terminal that pastes line by line sends nothing half."""

    async def _on_paste(self, event: Paste) -> None:
        if len(event.text) > MAX_MESSAGE:  # it would be drawn line by line
            event.stop()
            event.prevent_default()
            self.screen.query_one("#say-problem", Static).update(TOO_LONG)


class SayScreen(ModalScreen[DraftMessage], ClosedOnce[DraftMessage]):
    CSS_PATH = "say.tcss"
    BINDINGS = [  # noqa: RUF012 - as Textual has it
        Binding("ctrl+s,f5", "say", "Say", show=False, priority=True),
        Binding("escape", "leave", "Back", show=False, priority=True),
    ]

    def __init__(self, question: str, draft: str) -> None:
        """`question` is harmless; `draft`: what was written before."""
        super().__init__()
        self._question = question
        self._draft = draft

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False)
            yield Words(self._draft, id="say-text")
            yield Static("", id="say-problem", markup=False)
            yield Static(
                "ctrl+s says it, esc goes back and keeps what is written", markup=False, id="say-keys"
            )

    def on_mount(self) -> None:
        words = self.query_one(Words)
        words.move_cursor(words.document.end)

    def action_say(self) -> None:
        text = self.query_one(Words).text
        try:
            readable(text)
        except UserError as error:
            self.query_one("#say-problem", Static).update(str(error))
            return
        self.dismiss(DraftMessage(text, is_said=True))

    def action_leave(self) -> None:
        self.dismiss(DraftMessage(self.query_one(Words).text, is_said=False))
