"""One line that takes a text: a filter of the tasks, or what to search for."""

from typing import Literal

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static

Purpose = Literal["filter", "search"]

EXAMPLES: dict[Purpose, str] = {"filter": "state:error cost:>1 text", "search": "text in the transcript"}


class EntryBar(Horizontal):
    """Hidden until it is opened. Says what was typed and entered; others say what comes of it (`answer`)."""

    DEFAULT_CSS = """
    EntryBar {
        display: none;
        height: auto;
        max-height: 3;
        padding: 0 1;
        &.-open { display: block; }
        & #entry-purpose { width: auto; margin-right: 1; color: $text-primary; text-style: bold; }
        & #entry-input { width: 1fr; max-width: 32; }
        & #entry-answer { width: 1fr; margin-left: 1; color: $text-warning; }
    }
    """

    class Typed(Message):
        """There is another text in it."""

        def __init__(self, purpose: Purpose, text: str) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text

    class Entered(Message):
        """Enter was pressed."""

        def __init__(self, purpose: Purpose, text: str) -> None:
            super().__init__()
            self.purpose = purpose
            self.text = text

    def __init__(self) -> None:
        super().__init__()
        self.purpose: Purpose = "filter"

    def compose(self) -> ComposeResult:
        yield Static(id="entry-purpose")
        yield Input(id="entry-input", compact=True)
        yield Static(id="entry-answer", markup=False)

    def open(self, purpose: Purpose) -> None:
        """Empty, with the focus."""
        self.purpose = purpose
        self.query_one("#entry-purpose", Static).update(purpose)
        self.answer("")
        entry = self.query_one(Input)
        entry.value, entry.placeholder = "", EXAMPLES[purpose]
        self.add_class("-open")
        entry.focus()

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def close(self) -> None:
        self.remove_class("-open")

    def answer(self, text: str) -> None:
        """Beside what was typed; harmless."""
        self.query_one("#entry-answer", Static).update(text)

    @on(Input.Changed)
    def _on_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_open:
            self.post_message(self.Typed(self.purpose, event.value))

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.set_class(bool(event.value.strip()), "-open")
        self.post_message(self.Entered(self.purpose, event.value))
