"""The tasks of a run, a line each. Draws only the lines that are seen, and again only those that changed."""

import time
from collections.abc import Callable, Collection

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from agentbatch.store.runs import ShownStatus
from agentbatch.store.state import RunState, TaskState
from agentbatch.tui.filter import Filter
from agentbatch.tui.glyphs import Glyphs
from agentbatch.tui.task_cells import HEADS, Cells, cells, column_widths, joined

SETTLED = 0.1
"""Seconds that the cursor has to stand before the chosen task is shown."""

STATUS_STYLES: tuple[ShownStatus, ...] = (
    "completed", "error", "timeout", "cancelled", "skipped", "interrupted", "queued", "coding", "evaluating", "paused",
)  # fmt: skip


class TaskTable(ScrollView, can_focus=True):
    """`set_state` gives it a run; `update_tasks` says which tasks have changed."""

    COMPONENT_CLASSES = {  # noqa: RUF012 - as Textual has it
        "task-table--head",
        "task-table--cursor",
        *(f"task-table--{status}" for status in STATUS_STYLES),
    }
    DEFAULT_CSS = """
    TaskTable { background: $surface; scrollbar-size-horizontal: 0; }
    TaskTable > .task-table--head { color: $text-muted; text-style: bold; }
    TaskTable > .task-table--cursor { background: $panel; }
    TaskTable:focus > .task-table--cursor { background: $primary-muted; text-style: bold; }
    TaskTable > .task-table--completed { color: $text-success; }
    TaskTable > .task-table--error { color: $text-error; }
    TaskTable > .task-table--timeout { color: $text-warning; }
    TaskTable > .task-table--cancelled { color: $text-warning; }
    TaskTable > .task-table--skipped { color: $text-muted; }
    TaskTable > .task-table--interrupted { color: $text-warning; }
    TaskTable > .task-table--queued { color: $text-muted; }
    TaskTable > .task-table--coding { color: $text-primary; }
    TaskTable > .task-table--evaluating { color: $text-accent; }
    TaskTable > .task-table--paused { color: $text-warning; }
    """
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
        self._state = RunState()
        self._status: Callable[[TaskState], ShownStatus] = lambda task: task.status
        self._filter: Filter | None = None
        self._ids: list[str] = []
        self._places: dict[str, int] = {}
        self._selected: str | None = None
        self._told: str | None = None
        self._settling: Timer | None = None
        self._widths: list[int] = []

    # what it shows -----------------------------------------------------------------------------------------------

    def set_state(self, state: RunState, status: Callable[[TaskState], ShownStatus]) -> None:
        """Show this run's tasks, in task order."""
        self._state, self._status = state, status
        self._arrange()

    def set_filter(self, chosen: Filter | None) -> None:
        self._filter = chosen
        self._arrange()

    def update_tasks(self, ids: Collection[str]) -> None:
        """These tasks have changed."""
        if self._filter is not None and any(
            self._shows(task_id) != (task_id in self._places) for task_id in ids
        ):
            self._arrange()
            return
        for task_id in ids:
            self._repaint(task_id)

    def tick(self, now: float) -> None:
        """A second has passed: what runs has taken longer. `now` is for show; the clock is asked at drawing."""
        top = self.scroll_offset.y
        for task_id in self._ids[top : top + self.size.height]:
            if not self._state.tasks[task_id].finished:
                self._repaint(task_id)

    @property
    def selected(self) -> str | None:
        """The id of the task that the cursor is on; None when there is none."""
        return self._selected

    @property
    def shown(self) -> int:
        """Tasks that the filter lets through."""
        return len(self._ids)

    def select(self, task_id: str) -> None:
        """Put the cursor on a task, if it is shown."""
        if task_id in self._places:
            self._go(self._places[task_id])

    def _shows(self, task_id: str) -> bool:
        task = self._state.tasks[task_id]
        return self._filter is None or self._filter.matches(task, self._status(task))

    def _arrange(self) -> None:
        before = self._places.get(self._selected or "", 0)
        self._ids = [task_id for task_id in self._state.tasks if self._shows(task_id)]
        self._places = {task_id: place for place, task_id in enumerate(self._ids)}
        self._widths = []
        self.virtual_size = Size(max(1, self.size.width), len(self._ids) + 1)
        if self._selected not in self._places:
            self._choose(self._ids[min(before, len(self._ids) - 1)] if self._ids else None)
        self.refresh()

    # the cursor --------------------------------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        self._go(self._cursor + step)

    def action_page(self, step: int) -> None:
        self._go(self._cursor + step * max(1, self.size.height - 2))

    def action_first(self) -> None:
        self._go(0)

    def action_last(self) -> None:
        self._go(len(self._ids) - 1)

    @property
    def _cursor(self) -> int:
        return self._places.get(self._selected or "", 0)

    def _go(self, place: int) -> None:
        if not self._ids:
            return
        place = max(0, min(place, len(self._ids) - 1))
        before = self._selected
        self._choose(self._ids[place])
        for task_id in (before, self._selected):
            if task_id is not None:
                self._repaint(task_id)
        height = max(1, self.size.height - 1)
        top = int(self.scroll_offset.y)
        if place < top:
            self.scroll_to(y=place, animate=False, force=True)
        elif place >= top + height:
            self.scroll_to(y=place - height + 1, animate=False, force=True)

    def _choose(self, task_id: str | None) -> None:
        self._selected = task_id
        if self._settling is not None:
            self._settling.stop()
        if self.is_attached:
            self._settling = self.set_timer(SETTLED, self._settle)

    def _settle(self) -> None:
        self._settling = None
        if self._selected != self._told:
            self._told = self._selected
            self.post_message(self.Selected(self._selected))

    def on_mount(self) -> None:
        self._choose(self._selected)

    def on_click(self, event: events.Click) -> None:
        place = int(self.scroll_offset.y) + event.y - 1
        if event.y >= 1 and place < len(self._ids):
            self._go(place)

    def on_resize(self) -> None:
        self._widths = []
        self.virtual_size = Size(max(1, self.size.width), len(self._ids) + 1)
        if self._ids:
            self._go(self._cursor)
        self.refresh()

    # drawing -----------------------------------------------------------------------------------------------------

    def _repaint(self, task_id: str) -> None:
        place = self._places.get(task_id)
        if place is None:
            return
        y = place - int(self.scroll_offset.y) + 1
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._widths = []

    def render_line(self, y: int) -> Strip:
        """The head stays where it is; the tasks scroll below it."""
        columns = self.size.width
        if not self._widths:
            self._widths = column_widths([self._cells(place) for place in self._seen()], columns)
        if y == 0:
            style = self._style("task-table--head")
            return _strip([(joined(HEADS, self._widths), style)], columns, self.rich_style)
        place = int(self.scroll_offset.y) + y - 1
        if not self._ids:
            text = (
                "No task matches the filter; esc clears it." if self._filter is not None else "No tasks yet."
            )
            middle = max(1, self.size.height // 2)
            line = f"{text:^{columns}}" if y == middle else ""
            return _strip([(line, self._style("task-table--head"))], columns, self.rich_style)
        if place >= len(self._ids):
            return Strip.blank(columns, self.rich_style)
        return self._line(place, columns)

    def _seen(self) -> range:
        top = int(self.scroll_offset.y)
        return range(top, min(len(self._ids), top + self.size.height))

    def _cells(self, place: int) -> Cells:
        task = self._state.tasks[self._ids[place]]
        return cells(task, self._status(task), self._now(), self._glyphs)

    def _line(self, place: int, columns: int) -> Strip:
        task = self._state.tasks[self._ids[place]]
        status = self._status(task)
        line = cells(task, status, self._now(), self._glyphs)
        if any(wide and len(cell) > wide for cell, wide in zip(line[2:6], self._widths[2:6], strict=True)):
            self._widths = []  # a figure has grown: the columns move at the next drawing
            self.call_later(self.refresh)
            widths = column_widths([self._cells(place) for place in self._seen()], columns)
        else:
            widths = self._widths
        text = joined(line, widths)
        base = self.rich_style
        if task.id == self._selected:
            base = base + self._style("task-table--cursor")
        own = self._style(f"task-table--{status}")
        cut = widths[0]
        quiet = status in ("queued", "skipped")
        return _strip([(text[:cut], own), (text[cut:], own if quiet else Style.null())], columns, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name, partial=True)


def _strip(parts: list[tuple[str, Style]], columns: int, base: Style) -> Strip:
    return Strip([Segment(text, base + style) for text, style in parts]).adjust_cell_length(columns, base)
