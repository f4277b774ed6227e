"""The run on a terminal: a live task table, finished lines scrolling above it, a coloured summary."""

import threading
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.text import Text

from agentbatch.display.plain import STAMP_WIDTH
from agentbatch.display.reports.summary import Summary
from agentbatch.display.reports.summary_text import render_text
from agentbatch.display.screen import Row, screen
from agentbatch.display.signs import SIGNS, STYLES
from agentbatch.display.writer import Writer
from agentbatch.runs.events import (
    Event,
    ModelCallProgressed,
    Notice,
    Paused,
    Resumed,
    RunFinished,
    TaskFinished,
)
from agentbatch.runs.log_lines import line
from agentbatch.runs.state.run_state import RunState
from agentbatch.text import fold

REFRESH_SECONDS = 0.25
"""Between two drawings; a thousand events in between cost one drawing."""

ROWS_LEFT = 2
"""Rows of the terminal that the table leaves to the lines above it."""

_SCROLLING = (TaskFinished, Notice, Paused, Resumed, RunFinished)
"""Events whose lines scroll by; the table shows the rest. `--verbose` scrolls them all."""


class RichDisplay:
    """Draws in a thread of its own: `on_event` only notes down what will scroll.

    The thread reads the state while the event loop changes it. That is sound: tasks are frozen, and a row
    shows the one that was there.
    """

    def __init__(
        self,
        out: Writer,
        *,
        verbose: bool,
        environ: Mapping[str, str],
        now: Callable[[], float],
    ) -> None:
        self._out = out
        self._verbose = verbose
        self._now = now
        # Rich reads NO_COLOR, TERM and COLORTERM from `environ`.
        self._console = Console(file=out, highlight=False, markup=False, emoji=False, _environ=environ)  # type: ignore[arg-type]
        self._area = LiveArea(self._console)
        self._draws = self._console.is_terminal and not self._console.is_dumb_terminal
        self._state: RunState | None = None
        self._above: list[str] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_drawing, name="rich-display", daemon=True)

    def open(self) -> None:
        if self._draws:
            self._thread.start()

    def on_event(self, event: Event, state: RunState) -> None:
        self._state = state
        if isinstance(event, ModelCallProgressed):
            return
        if self._verbose or not self._draws or isinstance(event, _SCROLLING):
            texts = line(event, state, self._verbose)
            with self._lock:
                self._above += texts
            if not self._draws:
                self._draw(closing=True)

    def close(self, summary: Summary | None) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self._draw(closing=True)
        if summary is not None:
            self._resize()
            for text in ["", *render_text(summary, self._console.width)]:
                self._console.print(_coloured(text), soft_wrap=True)

    def _keep_drawing(self) -> None:
        while not self._ended.wait(REFRESH_SECONDS):
            self._draw()

    def _draw(self, *, closing: bool = False) -> None:
        self._resize()
        columns, lines = self._console.size
        with self._lock:
            above, self._above = self._above, []
        texts = [_scrolled(part) for text in above for part in fold(text, columns, STAMP_WIDTH)]
        if not self._draws:
            for text in texts:
                self._console.print(text, soft_wrap=True)
            return
        rows: list[Row] = []
        if self._state is not None and not closing:
            rows = screen(self._state, self._now(), columns, lines - ROWS_LEFT)
        self._area.draw(texts, [Text.assemble(*row) for row in rows])

    def _resize(self) -> None:
        self._console.size = self._out.size()


def _scrolled(text: str) -> Text:
    """A line of run.log with its time dimmed."""
    shown = Text(text)
    if text.startswith("["):
        shown.stylize("dim", 0, STAMP_WIDTH)
    return shown


def _coloured(text: str) -> Text:
    """A line of the summary: titles bold, tasks in the colour of their status."""
    if text and not text.startswith(" "):
        shown = Text(text)
        shown.stylize("bold", 0, len(text) if "  " not in text else text.index("  "))
        return shown
    for status, sign in SIGNS.items():
        if text.startswith(f"  {sign} ") and f" {status} " in text:
            return Text(text, style=STYLES[status])
    return Text(text)


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
