"""The list of the results browser: a line each, drawn as far as it is seen."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

MOVES = (
    ("up", "cursor_up"),
    ("down", "cursor_down"),
    ("home", "first"),
    ("end", "last"),
    ("pageup", "page_up"),
    ("pagedown", "page_down"),
)


class ResultsTable(OptionList, inherit_bindings=False):
    """Enter belongs to the screen, so that it stands in the footer."""

    BINDINGS = [Binding(key, action, show=False) for key, action in MOVES]  # noqa: RUF012 - as Textual has it

    class Resized(Message):
        """There is another room for a line."""

    def __init__(self) -> None:
        super().__init__(compact=True, markup=False)

    @property
    def room(self) -> int:
        """Cells of a line."""
        return self.scrollable_content_region.width

    def show_lines(self, names: Sequence[str], lines: Sequence[Content]) -> None:
        """`names` identify the lines: the cursor stays on the line that it is on, wherever that comes to stand."""
        if list(names) == [option.id for option in self.options]:
            for place, line in enumerate(lines):
                if self.get_option_at_index(place).prompt != line:
                    self.replace_option_prompt_at_index(place, line)
            return
        chosen = self.highlighted_option.id if self.highlighted_option is not None else None
        before = self.highlighted or 0
        self.set_options(Option(line, id=name) for name, line in zip(names, lines, strict=True))
        if lines:
            place = names.index(chosen) if chosen in names else before
            self.highlighted = min(place, len(lines) - 1)

    def on_resize(self) -> None:
        self.post_message(self.Resized())
