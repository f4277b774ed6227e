"""Lines at the bottom of a terminal that are drawn again and again, while others scroll by above."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_HOLD, _RELEASE = "\x1b[?2026h", "\x1b[?2026l"
"""Synchronised output: terminals that know it show a whole drawing at once, others ignore it."""
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[2K", "\x1b[J"


class LiveArea:
    """Own drawing rather than rich.live, which loses its place when the terminal gets narrower."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._drawn: list[int] = []
        """Cells of each line on the screen."""

    def draw(self, above: Sequence[Text], area: Sequence[Text]) -> None:
        """Put `above` where the area was, for good, and `area` below it; one write.

        Lines are overwritten one by one: tmux keeps a copy in its history of a screen cleared at once.
        """
        old_rows = self._rows()
        lines = [_CLEAR_LINE + self._rendered(text) for text in (*above, *area)]
        if len(lines) < old_rows or not area:
            place = len(lines) - 1 if area else len(lines)
            lines[place:] = [_CLEAR_BELOW + "".join(lines[place:])]
        back = "\r" + (f"\x1b[{old_rows - 1}A" if old_rows > 1 else "")
        self._console.file.write(_HOLD + _HIDE + back + "\n".join(lines) + ("" if area else _SHOW) + _RELEASE)
        self._console.file.flush()
        self._drawn = [text.cell_len for text in area]

    def _rendered(self, text: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(text, soft_wrap=True, end="")
        return captured.get()

    def _rows(self) -> int:
        """Rows that the old area takes now. Terminals fold lines again when they get narrower: 80 cells are
        two rows in 60 columns."""
        columns = self._console.width
        return sum(max(1, -(-cells // columns)) for cells in self._drawn)
