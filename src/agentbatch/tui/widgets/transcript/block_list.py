"""Going through a list of blocks, one by one with the keyboard, and with the mouse."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.scrollbar import ScrollTo, ScrollUp

from agentbatch.errors import UserError
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import text_lines
from agentbatch.tui.reading.transcript_view import TranscriptView
from agentbatch.tui.widgets.transcript.block import BlockWidget
from agentbatch.tui.widgets.transcript.block_stack import BlockStack
from agentbatch.tui.widgets.transcript.block_window import Window


class BlockList(BlockStack):
    """A stack of blocks with a cursor on one of them, or on none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "Block above", show=False),
        Binding("down", "step(1)", "Block below", show=False),
        Binding("enter,space", "open_block", "Open or close", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "first", "The beginning", show=False),
        Binding("end", "last", "The end, and follow it", show=False),
    ]

    def __init__(self, *, glyphs: Glyphs) -> None:
        super().__init__(glyphs=glyphs)
        self._cursor: int | None = None

    def set_transcript(self, transcript: TranscriptView) -> None:
        self._cursor = None
        super().set_transcript(transcript)

    def watch_follow(self, follow: bool) -> None:
        if follow:
            self._set_cursor(None)
        super().watch_follow(follow)

    def _move(self, window: Window, *, fresh: bool = False) -> None:
        super()._move(window, fresh=fresh)
        if self._cursor is not None and not window.start <= self._cursor < window.end:
            self._cursor = None

    def action_step(self, way: int) -> None:
        """To the block above or below; within one that is taller than the screen, by half a screen."""
        place = self._place_here()
        if place is None:
            return
        if way < 0:
            self.follow = False
        if self._cursor is None:
            self._set_cursor(place)
            self._reveal(place, way)
            return
        region, top, height = (
            self._at(place).virtual_region,
            self.scroll_y,
            self.scrollable_content_region.height,
        )
        if region.y < top if way < 0 else region.bottom > top + height:
            self.scroll_relative(y=way * max(1, height // 2), animate=False)
        elif 0 <= place + way < len(self._transcript.blocks):
            if not self._window.start <= place + way < self._window.end:
                self._load(way)
            self._set_cursor(place + way)
            self.call_after_refresh(self._reveal, place + way, way)
        else:
            self.scroll_relative(y=way * height, animate=False)

    def _place_here(self) -> int | None:
        """The cursor's block, if it is to be seen; else the first one that is, or the last at a followed end."""
        top, bottom = self.scroll_y, self.scroll_y + self.scrollable_content_region.height
        seen = [
            w.place for w in self._widgets if w.virtual_region.bottom > top and w.virtual_region.y < bottom
        ]
        if self._cursor is not None and self._cursor not in seen:
            self._set_cursor(None)
        if self._cursor is not None:
            return self._cursor
        return (seen[-1] if self.follow else seen[0]) if seen else None

    def _set_cursor(self, place: int | None) -> None:
        for old in (self._cursor, place):
            if old is not None and self._window.start <= old < self._window.end:
                self._at(old).set_class(old == place, "-cursor")
        self._cursor = place

    def _reveal(self, place: int, way: int = -1, row: int | None = None) -> None:
        """Scroll so that a block, or a row of it, is to be seen."""
        if not self._window.start <= place < self._window.end:
            return
        region, height = self._at(place).virtual_region, self.scrollable_content_region.height
        first, last = region.y, region.bottom
        if row is not None:
            first = last = region.y + row
        if self.scroll_y <= first and last < self.scroll_y + height + (row is None):
            return
        if row is not None:
            y = first - height // 3
        elif last - first > height:
            y = first if way > 0 else last - height
        else:
            y = last - height if way > 0 else first
        self.scroll_to(y=y, animate=False)

    def action_open_block(self) -> None:
        """Open or close the cursor's block."""
        if self._cursor is not None:
            self._toggle(self._cursor)

    def _toggle(self, place: int) -> None:
        try:
            changed = self._transcript.toggle(place)
        except UserError as error:
            self._at(place).set_lines(text_lines(str(error), "$text-error"))
            return
        if changed:
            self.follow = False
            self._refresh_places([place])

    def action_page(self, way: int) -> None:
        edge = self.scroll_y <= 0 if way < 0 else self.scroll_y >= self.max_scroll_y
        if way < 0:
            self.follow = False
        if edge and self._load(way):
            self.call_after_refresh(self.scroll_relative, y=way * self.size.height, animate=False)
        else:
            self.scroll_relative(y=way * max(1, self.size.height - 1), animate=False)

    def action_first(self) -> None:
        self.follow = False
        self._move(self._window.around(0, len(self._transcript.blocks)))
        self._set_cursor(0 if self._widgets else None)
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.follow = True
        self._stay()

    # the mouse ---------------------------------------------------------------------------------------------------

    def on_mouse_scroll_up(self) -> None:
        if self.max_scroll_y > 0:
            self.follow = False
        if self.scroll_y <= 0:
            self._load(-1)

    def on_mouse_scroll_down(self) -> None:
        if self.scroll_y >= self.max_scroll_y:
            self._load(1)

    def on_scroll_up(self, event: ScrollUp) -> None:
        self.follow = False

    def on_scroll_to(self, event: ScrollTo) -> None:
        if event.y is not None and event.y < self.max_scroll_y:
            self.follow = False

    def on_click(self, event: events.Click) -> None:
        widget = next(
            (node for node in event.widget.ancestors_with_self if isinstance(node, BlockWidget)), None
        ) if event.widget is not None else None  # fmt: skip
        if widget is None or self.screen.get_selected_text():
            return
        if widget in (self._earlier, self._later):
            self.follow = False
            self._load(-1 if widget is self._earlier else 1)
        elif self._window.start <= widget.place < self._window.end:
            self._set_cursor(widget.place)
            self._toggle(widget.place)
