"""A choice between a few words, on one line: `(•) parallel  ( ) serial`."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget


class RadioRow(Widget, can_focus=True):
    """Left and right choose, and so does a click."""

    DEFAULT_CSS = """
    RadioRow {
        width: auto;
        height: 1;
    }
    RadioRow:focus {
        text-style: bold;
        background: $boost;
    }
    RadioRow:disabled {
        color: $text-disabled;
    }
    """
    BINDINGS = [  # noqa: RUF012 - as Textual has it
        Binding("left", "move(-1)", "Previous", show=False),
        Binding("right,space", "move(1)", "Next", show=False),
    ]

    value: reactive[str] = reactive("", layout=False)

    class Changed(Message):
        """Another word is chosen."""

        def __init__(self, one_of: "RadioRow", value: str) -> None:
            super().__init__()
            self.one_of = one_of
            self.value = value

        @property
        def control(self) -> "RadioRow":
            return self.one_of

    def __init__(self, words: Sequence[str], value: str, *, mark: str, id: str | None = None) -> None:  # noqa: A002
        """`mark`: the sign of the chosen one, a cell wide."""
        super().__init__(id=id)
        self.words = tuple(words)
        self._mark = mark
        self.set_reactive(RadioRow.value, value)

    def get_content_width(self, container: object, viewport: object) -> int:
        return sum(len(word) + 4 for word in self.words) + 2 * (len(self.words) - 1)

    def render(self) -> Content:
        shown = []
        for word in self.words:
            chosen = word == self.value
            text = f"({self._mark if chosen else ' '}) {word}"
            shown.append(Content.styled(text, "$text-primary" if chosen else ""))
        return Content("  ").join(shown)

    def watch_value(self, value: str) -> None:
        self.post_message(self.Changed(self, value))

    def action_move(self, by: int) -> None:
        self.value = self.words[(self.words.index(self.value) + by) % len(self.words)]

    def on_click(self, event: Click) -> None:
        end = 0
        for word in self.words:
            begin, end = end, end + len(word) + 6
            if begin <= event.x < end - 2:
                self.value = word
