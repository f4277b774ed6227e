"""Questions: a sentence, and an answer by one key."""

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

from agentbatch.tui.screens.closed_once import ClosedOnce


class Choice(NamedTuple):
    """One answer; `key` as Textual names it."""

    key: str
    text: str
    value: str


NO = ("escape", "n")
"""Of every question: what a person presses who wants nothing of it."""


class AskScreen(ModalScreen[str], ClosedOnce[str]):
    """Asks, and returns the chosen value; empty for `NO`, whose keys are no choice's."""

    CSS_PATH = "ask.tcss"

    def __init__(self, question: str, choices: Sequence[Choice], stay: str = "Stay") -> None:
        """`question` and the choices' texts are harmless; `stay` says what esc does."""
        super().__init__()
        if any(choice.key in NO for choice in choices):
            raise ValueError("n is no")
        self._question = question
        self._choices = choices
        self._stay = stay

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False, id="question")
            for key, text in [
                *((choice.key, choice.text) for choice in self._choices),
                ("n", f"{self._stay} (esc)"),
            ]:
                yield Static(Content.assemble((f" {key} ", "bold $text-primary"), " ", text))

    def on_key(self, event: Key) -> None:
        event.stop()
        if event.key in NO:
            self.dismiss("")
        for choice in self._choices:
            if event.key == choice.key:
                self.dismiss(choice.value)
