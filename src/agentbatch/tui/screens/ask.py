"""Questions: a sentence, and an answer by one key."""

from collections.abc import Sequence
from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static


class Choice(NamedTuple):
    """One answer; `key` as Textual names it."""

    key: str
    text: str
    value: str


class AskScreen(ModalScreen[str]):
    """Asks, and returns the chosen value; empty for esc."""

    CSS_PATH = "ask.tcss"

    def __init__(self, question: str, choices: Sequence[Choice], stay: str = "Stay") -> None:
        """`question` and the choices' texts are harmless; `stay` says what esc does."""
        super().__init__()
        self._question = question
        self._choices = [*choices, Choice("escape", stay, "")]

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question, markup=False, id="question")
            for choice in self._choices:
                key = "esc" if choice.key == "escape" else choice.key
                yield Static(Content.assemble((f" {key} ", "bold $text-primary"), " ", choice.text))

    def on_key(self, event: Key) -> None:
        event.stop()
        for choice in self._choices:
            if event.key == choice.key:
                self.dismiss(choice.value)
