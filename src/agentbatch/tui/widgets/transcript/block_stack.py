"""A long list of blocks, of which a window stands on the screen, and which stays at its end as it grows."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from textual.containers import VerticalScroll
from textual.reactive import reactive

from agentbatch.errors import UserError
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line, text_lines
from agentbatch.tui.lines.transcript.blocks import CoderMessage, End, Head, Judged, TitledText
from agentbatch.tui.reading.transcript_view import TranscriptView
from agentbatch.tui.widgets.transcript.block import BlockWidget
from agentbatch.tui.widgets.transcript.block_window import Window

SPACED = (Head, CoderMessage, Judged, TitledText, End)
"""Blocks with an empty row in front of them."""


class BlockStack(VerticalScroll):
    """Shows a transcript's blocks, at most MAX_MOUNTED at a time. `follow`: it stays at the end."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")

    follow: reactive[bool] = reactive(True, init=False)

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._transcript = TranscriptView(glyphs)
        self._window = Window()
        self._widgets: list[BlockWidget] = []
        self._needle: re.Pattern[str] | None = None
        self._earlier = BlockWidget(glyphs, classes="-more")
        self._later = BlockWidget(glyphs, classes="-more")
        self._live = BlockWidget(glyphs, classes="-spaced")

    def compose(self) -> Iterable[BlockWidget]:
        yield self._earlier
        yield self._later
        yield self._live

    @property
    def transcript(self) -> TranscriptView:
        return self._transcript

    def set_transcript(self, transcript: TranscriptView) -> None:
        """Show this from now on, from its end."""
        self._transcript = transcript
        self.anchor(False)
        self._move(Window(), fresh=True)
        if transcript.is_placeholder:
            self._move(Window(0, len(transcript.blocks)), fresh=True)
            self.scroll_home(animate=False, immediate=True)
        else:
            self._move(Window().at_end(len(transcript.blocks)), fresh=True)
            self._stay()

    def grow(self, before: int, touched: Collection[int]) -> None:
        """Blocks came behind the first `before`, and those at `touched` are not as they were."""
        self._refresh_places(place for place in touched if place < before)
        total = len(self._transcript.blocks)
        if total > before:
            self._move(self._window.grown(before, total, follow=self.follow))
        self._stay()

    def _stay(self) -> None:
        """At the end, when it is followed."""
        if self.follow and not self._transcript.is_placeholder:
            self.call_after_refresh(self._settle)

    def _settle(self) -> None:
        if self.follow and not self._transcript.is_placeholder:
            # Textual's anchor pushes what is shorter than the screen down to its foot.
            filled = self.virtual_size.height > self.scrollable_content_region.height
            self.anchor(filled)
            if not filled:
                self.scroll_to(y=0, animate=False, immediate=True)

    def _move(self, window: Window, *, fresh: bool = False) -> None:
        """Have the blocks of `window` on the screen, no others."""
        kept = [] if fresh else [w for w in self._widgets if window.start <= w.place < window.end]
        gone = [w for w in self._widgets if fresh or not window.start <= w.place < window.end]
        first = kept[0].place if kept else window.end
        last = kept[-1].place + 1 if kept else window.end
        above = self._made(range(window.start, first))
        below = self._made(range(last, window.end))
        self._window, self._widgets = window, [*above, *kept, *below]
        with self.app.batch_update():
            if gone:
                self.remove_children(gone)
            if above:
                self.mount_all(above, after=self._earlier)
            if below:
                self.mount_all(below, before=self._later)
            self._tell_more()

    def _made(self, places: range) -> list[BlockWidget]:
        shown = self._lines(places)
        return [self._widget(place, shown[place]) for place in places]

    def _widget(self, place: int, lines: list[Line]) -> BlockWidget:
        spaced = "-spaced" if isinstance(self._transcript.blocks[place], SPACED) else ""
        widget = BlockWidget(self._glyphs, place=place, classes=spaced)
        widget.set_lines(lines, self._needle)
        return widget

    def _lines(self, places: Iterable[int]) -> dict[int, list[Line]]:
        wanted = list(places)
        try:
            return self._transcript.lines(wanted)
        except UserError as error:
            return {place: text_lines(str(error), "$text-error") for place in wanted}

    def _refresh_places(self, places: Iterable[int]) -> None:
        mounted = [place for place in places if self._window.start <= place < self._window.end]
        for place, lines in self._lines(mounted).items() if mounted else ():
            self._at(place).set_lines(lines, self._needle)

    def _mark(self, needle: re.Pattern[str] | None) -> None:
        """Have what `needle` finds marked."""
        self._needle = needle
        self._refresh_places(range(self._window.start, self._window.end))

    def _tell_more(self) -> None:
        dots, total = self._glyphs["ellipsis"], len(self._transcript.blocks)
        above, below = self._window.start, total - self._window.end
        self._earlier.set_lines([Line(f"{dots} {above:,} earlier: press up, or click")] if above else [])
        self._later.set_lines([Line(f"{dots} {below:,} later: press down, or click")] if below else [])

    def _at(self, place: int) -> BlockWidget:
        return self._widgets[place - self._window.start]

    def watch_follow(self, follow: bool) -> None:
        if not follow:
            self.anchor(False)
        if follow and self._window.end < len(self._transcript.blocks):
            self._move(Window().at_end(len(self._transcript.blocks)))
        self._stay()

    def _load(self, way: int) -> bool:
        """A page more above (-1) or below (1); what is on the screen stays where it is."""
        total = len(self._transcript.blocks)
        window = self._window.earlier() if way < 0 else self._window.later(total)
        if window == self._window:
            return False
        held = self._widgets[0] if way < 0 else self._widgets[-1]
        offset = held.virtual_region.y - self.scroll_y
        self._move(window)

        def hold() -> None:
            if held.is_attached:
                self.scroll_to(y=held.virtual_region.y - offset, animate=False, immediate=True)

        self.call_after_refresh(hold)
        return True
