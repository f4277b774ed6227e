"""The keys, as a screen."""

from collections.abc import Iterator, Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from agentbatch.tui.keys import Key
from agentbatch.tui.screens.closed_once import ClosedOnce

INTRODUCTION = (
    "In a list: up and down, page up and page down, home and end. Tab goes to the next part of the screen. "
    "Ctrl+P finds a command by its name. The mouse works too."
)


class HelpScreen(ModalScreen[None], ClosedOnce[None]):
    """Shows the keys that work on the screen below it."""

    CSS_PATH = "help.tcss"
    BINDINGS = [Binding("escape,question_mark,q,f1,enter", "dismiss", "Close", show=False)]  # noqa: RUF012

    def __init__(self, keys: Sequence[Key]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        with VerticalScroll() as scroll:
            scroll.border_title = "Keys"
            scroll.border_subtitle = "esc closes"
            yield Static(Content("\n").join(self._lines()))
            yield Static(INTRODUCTION, markup=False, id="introduction")

    def _lines(self) -> Iterator[Content]:
        wide = max(len(key.shown) for key in self._keys)
        for key in self._keys:
            yield Content.assemble((f"{key.shown:>{wide}}", "bold $text-primary"), "  ", key.text)
