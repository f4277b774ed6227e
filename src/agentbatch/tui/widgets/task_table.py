"""The tasks of a run, a line each. Draws only the lines that are seen, and again only those that changed."""

import time
from collections.abc import Callable, Collection, Iterable

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from agentbatch.runs.listing import ShownStatus
from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tui.lines.filter import Filter
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.task_cells import ASCII_SIGNS, HEADS, Cells, cells, column_widths, joined, outgrown
from agentbatch.tui.lines.task_rows import SORTS, Sort, StatusOf, TaskRows

SETTLED = 0.1
"""Seconds that the cursor has to stand before the chosen task is shown."""

UNDER_WAY: frozenset[ShownStatus] = frozenset({"coding", "evaluating", "paused"})


class TaskTable(ScrollView, can_focus=True):
    """`set_state` gives it a run; `update_tasks` says which tasks have changed."""

    COMPONENT_CLASSES = {  # noqa: RUF012 - as Textual has it
        "task-table--head",
        "task-table--line",
        "task-table--cursor",
        *(f"task-table--{status}" for status in COLOURS),
    }
    DEFAULT_CSS = """
    TaskTable { background: $surface; overflow-x: hidden; scrollbar-gutter: stable; scrollbar-size-vertical: 1; }
    TaskTable > .task-table--head { color: $text-muted; text-style: bold; }
    TaskTable > .task-table--cursor { background: $panel; text-style: bold; }
    TaskTable:focus > .task-table--cursor { background: $primary-muted; }
    """ + "\n".join(f"TaskTable > .task-table--{status} {{ color: {c}; }}" for status, c in COLOURS.items())
    BINDINGS = [  # noqa: RUF012
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "first", "First", show=False),
        Binding("end", "last", "Last", show=False),
    ]

    class Selected(Message):
        """Another task is chosen; the cursor has stood on it for SETTLED seconds."""

        def __init__(self, task_id: str | None) -> None:
            super().__init__()
            self.task_id = task_id

    def __init__(self, *, glyphs: Glyphs | None = None, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._glyphs = glyphs or Glyphs()
        self._now = now
        self._rows = TaskRows(RunState(), lambda task: task.status)
        self._wanted: str | None = None
        """The task that the cursor was put on. While it is not shown, the cursor is on the nearest."""
        self._selected: str | None = None
        self._announced: str | None = None
        self._settling: Timer | None = None
        self._widths: list[int] = []

    # what it shows -----------------------------------------------------------------------------------------------

    def set_state(self, state: RunState, status: StatusOf) -> None:
        """Show this run's tasks, in task order; also when there are more or fewer."""
        self._rows = TaskRows(state, status, self._rows.filter, self._rows.sort, self._now())
        self._rearranged()

    def set_filter(self, chosen: Filter | None) -> None:
        """None: all tasks. The cursor stays in sight."""
        rows = self._rows
        self._rows = TaskRows(rows.state, rows.status, chosen, rows.sort, self._now())
        self._rearranged()
        self._scroll_to_cursor()

    def sort_next(self) -> Sort:
        """In another order, which is returned. The cursor stays on its task, in sight."""
        rows = self._rows
        sort = SORTS[(SORTS.index(rows.sort) + 1) % len(SORTS)]
        self._rows = TaskRows(rows.state, rows.status, rows.filter, sort, self._now())
        self._rearranged()
        self._scroll_to_cursor()
        return sort

    def go_to_failed(self, step: int) -> bool:
        """Put the cursor on the next failed task (1), or the one before (-1). False: none is shown."""
        row = self._rows.failed(self._selected, step)
        if row is not None:
            self._go(row)
        return row is not None

    def go_to_first_failed(self) -> None:
        """Put the cursor on it, where one has failed."""
        row = self._rows.failed(self._rows[-1], 1) if self._rows else None
        if row is not None:
            self._go(row)

    def update_tasks(self, ids: Collection[str]) -> None:
        """These tasks have changed."""
        if self._rows.update(ids):
            self._rearranged()
            return
        self._repaint(ids)

    def tick(self, now: float) -> None:
        """A second has passed: what runs has taken longer. The lines ask the clock; `now` is what it says."""
        chosen = self._rows.filter
        if chosen is not None and chosen.by_time and self._rows.update(self._rows.state.by_id):
            self._rearranged()
            return
        seen = [self._rows[row] for row in self._seen()]
        self._repaint(name for name in seen if self._rows.status(self._rows.state.by_id[name]) in UNDER_WAY)

    @property
    def selected(self) -> str | None:
        """The id of the task that the cursor is on; None when there is none."""
        return self._selected

    @property
    def shown(self) -> int:
        """Tasks that the filter lets through."""
        return len(self._rows)

    def select(self, task_id: str) -> None:
        """Put the cursor on a task, if it is shown."""
        row = self._rows.row(task_id)
        if row is not None:
            self._go(row)

    def _rearranged(self) -> None:
        """There are other rows."""
        self._widths = []
        self.virtual_size = Size(self._columns, len(self._rows) + 1)
        self._choose(self._rows.nearest(self._wanted))
        self.refresh()

    def _task_in(self, row: int) -> TaskState:
        return self._rows.state.by_id[self._rows[row]]

    # the cursor --------------------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        self._go(self._cursor + step)

    def action_page(self, step: int) -> None:
        self._go(self._cursor + step * max(1, self.size.height - 2))

    def action_first(self) -> None:
        self._go(0)

    def action_last(self) -> None:
        self._go(len(self._rows) - 1)

    @property
    def _cursor(self) -> int:
        return self._rows.row(self._selected) or 0

    def _go(self, row: int) -> None:
        if not self._rows:
            return
        before = self._selected
        self._wanted = self._rows[max(0, min(row, len(self._rows) - 1))]
        self._choose(self._wanted)
        self._repaint(task_id for task_id in (before, self._selected) if task_id is not None)
        self._scroll_to_cursor()

    def _scroll_to_cursor(self) -> None:
        row, top = self._cursor, int(self.scroll_offset.y)
        height = max(1, self.size.height - 1)
        if row < top:
            self.scroll_to(y=row, animate=False, force=True)
        elif row >= top + height:
            self.scroll_to(y=row - height + 1, animate=False, force=True)

    def _choose(self, task_id: str | None) -> None:
        if self._wanted is None:
            self._wanted = task_id
        self._selected = task_id
        if self._settling is not None:
            self._settling.stop()
        if self.is_attached and task_id != self._announced:
            self._settling = self.set_timer(SETTLED, self._settle)

    def _settle(self) -> None:
        self._settling = None
        self._announced = self._selected
        self.post_message(self.Selected(self._selected))

    def on_mount(self) -> None:
        self._choose(self._selected)

    def on_click(self, event: events.Click) -> None:
        row = int(self.scroll_offset.y) + event.y - 1
        if event.y >= 1 and row < len(self._rows):
            self._go(row)

    def on_resize(self) -> None:
        self._widths = []
        self.virtual_size = Size(self._columns, len(self._rows) + 1)
        self._scroll_to_cursor()
        self.refresh()

    # drawing -----------------------------------------------------------------------------------------------------

    @property
    def _columns(self) -> int:
        """Cells that a line has, the scrollbar off."""
        return max(1, self.scrollable_content_region.width)

    def _repaint(self, ids: Iterable[str]) -> None:
        """The lines of these tasks, as far as they are seen."""
        (width, height), above = self.size, int(self.scroll_offset.y) - 1
        rows = [row - above for name in ids if (row := self._rows.row(name)) is not None]
        lines = [Region(0, y, width, 1) for y in rows if 1 <= y < height]
        if lines:
            self.refresh(*lines)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._widths = []

    def render_line(self, y: int) -> Strip:
        """The head stays where it is; the tasks scroll below it."""
        columns = self._columns
        if not self._widths:
            self._widths = column_widths([self._cells(row) for row in self._seen()], columns)
        base = self._style("task-table--line")
        row = int(self.scroll_offset.y) + y - 1
        if y == 0:
            text = joined(HEADS, self._widths)
        elif not self._rows:
            text = self._empty(columns) if y == max(1, self.size.height // 2) else ""
        elif row < len(self._rows):
            return self._line(row, columns)
        else:
            return Strip.blank(columns, base)
        return Strip([Segment(text, self._style("task-table--head"))]).adjust_cell_length(columns, base)

    def _empty(self, columns: int) -> str:
        filtered = self._rows.filter is not None
        return f"{'No task matches; esc clears the filter.' if filtered else 'No tasks yet.':^{columns}}"

    def _seen(self) -> range:
        top = int(self.scroll_offset.y)
        return range(top, max(top, min(len(self._rows), top + self.size.height - 1)))

    def _cells(self, row: int) -> Cells:
        task = self._task_in(row)
        return cells(task, self._rows.status(task), self._now(), self._glyphs)

    def _line(self, row: int, columns: int) -> Strip:
        line = self._cells(row)
        if outgrown(line, self._widths):  # the columns move, once for all that have grown
            self._widths = column_widths([self._cells(seen) for seen in self._seen()], columns)
            self.call_later(self.refresh)
        text = joined(line, self._widths)
        if self._glyphs.ascii:
            text = text.translate(ASCII_SIGNS)
        status = self._rows.status(self._task_in(row))
        own, rest = self._style(f"task-table--{status}"), self._style("task-table--line")
        if status in ("queued", "skipped"):
            rest = own
        if self._rows[row] == self._selected:
            cursor = self.get_component_rich_style("task-table--cursor", partial=True)
            own, rest = own + cursor, rest + cursor
        cut = self._widths[0]
        return Strip([Segment(text[:cut], own), Segment(text[cut:], rest)]).adjust_cell_length(columns, rest)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name)
