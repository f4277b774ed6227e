"""A run: its tasks, and the chosen one's transcript, files, verdicts and usage."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widgets import Footer, Static, TabbedContent, TabPane

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import tasks_folder
from agentbatch.runs.listing import ShownStatus, shown_status
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import harmless
from agentbatch.tui.keys import bindings, keys_of
from agentbatch.tui.lines.filter import FilterError, parse_filter
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.header import RunStanding, header_lines, standing
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.screens.comparing.bake_off import BakeOffScreen
from agentbatch.tui.screens.comparing.compare_models import CompareModelsScreen
from agentbatch.tui.screens.export import ask_and_export, source_of
from agentbatch.tui.screens.leaving import LeavingRun, OwnEngine
from agentbatch.tui.screens.sized import TooSmall
from agentbatch.tui.widgets.entry_bar import EntryBar
from agentbatch.tui.widgets.files.files_pane import FilesPane
from agentbatch.tui.widgets.task_table import TaskTable
from agentbatch.tui.widgets.transcript.transcript_pane import TranscriptPane
from agentbatch.tui.widgets.usage_pane import UsagePane
from agentbatch.tui.widgets.verdicts_pane import VerdictsPane

LOOK_EVERY = 0.25
"""Seconds between two looks for events."""


class Pane(Protocol):
    """A tab of the details."""

    def show(self, view: RunView, task_id: str | None) -> None: ...

    def changed(self, events: Sequence[e.Event]) -> None: ...


class RunScreen(LeavingRun):
    """Looks at a run; `control`: and steers it. `engine`: one that this app has started."""

    place = "run"
    CSS_PATH = "run.tcss"
    BINDINGS = bindings(keys_of("run"))

    def __init__(
        self,
        view: RunView,
        *,
        control: bool,
        glyphs: Glyphs,
        now: Callable[[], float],
        engine: OwnEngine | None,
        redact: Redactor | None,
    ) -> None:
        """`redact` hides keys in what is read from the tasks' directories."""
        super().__init__()
        self.view = view
        self.control = control
        self._glyphs = glyphs
        self._now = now
        self.engine = engine
        self._redact = redact
        self._standing: RunStanding = standing(view.state, view.condition, now())
        self._condition = view.condition

    def compose(self) -> ComposeResult:
        yield TooSmall()
        yield Static(id="head")
        yield EntryBar()
        with Container(id="body"):
            yield TaskTable(glyphs=self._glyphs, now=self._now)
            with TabbedContent(id="detail"):
                for name, title, pane in (
                    ("transcript", "1 Transcript", TranscriptPane(glyphs=self._glyphs)),
                    ("files", "2 Files", FilesPane(glyphs=self._glyphs, redact=self._redact)),
                    ("verdicts", "3 Verdicts", VerdictsPane(glyphs=self._glyphs)),
                    ("usage", "4 Usage", UsagePane(glyphs=self._glyphs)),
                ):
                    with TabPane(title, id=name):
                        yield pane
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self._table.set_state(self.view.state, self.status_of)
        if self._condition != "running":
            self._table.go_to_first_failed()
        self._show_chosen()
        self._table.focus()
        self._draw_head()
        self.set_interval(LOOK_EVERY, self.look)
        self.set_interval(1.0, self._tick)

    @property
    def _table(self) -> TaskTable:
        return self.query_one(TaskTable)

    @property
    def _tabs(self) -> TabbedContent:
        return self.query_one("#detail", TabbedContent)

    @property
    def _transcript(self) -> TranscriptPane:
        return self.query_one(TranscriptPane)

    @property
    def _entry(self) -> EntryBar:
        return self.query_one(EntryBar)

    @property
    def chosen(self) -> TaskState | None:
        return self.view.state.by_id.get(self._table.selected or "")

    def status_of(self, task: TaskState) -> ShownStatus:
        status = shown_status(task, alive=self._condition == "running")
        return "paused" if task.paused and status in ("coding", "evaluating") else status

    def look(self) -> None:
        """Take in what has come up."""
        try:
            events = self.view.poll()
        except UserError as error:
            self.inform(str(error), "error")
            return
        before, self._condition = self._condition, self.view.condition
        if before != self._condition:
            self._end_seen(before)
        if not events:
            return
        if any(isinstance(event, e.TaskQueued | e.RunStarted) for event in events):
            self._table.set_state(self.view.state, self.status_of)
        named = {task_id for event in events if (task_id := _task_of(event)) is not None}
        # What changes of an attempt, changes its task.
        named |= {one.attempt_of for name in named if (one := self.view.state.by_id.get(name)) is not None}
        self._table.update_tasks(named)
        self._draw_head()
        chosen = self._table.selected
        mine = [event for event in events if _task_of(event) == chosen]
        if chosen is not None and (mine or (chosen in named and isinstance(self._pane, UsagePane))):
            self._changed(chosen, mine)

    def _changed(self, chosen: str, events: Sequence[e.Event]) -> None:
        pane = self._pane
        words = [event for event in events if event.stored]
        if words or isinstance(pane, UsagePane):
            pane.changed(words)
        if isinstance(pane, TranscriptPane):
            pane.live(self.view.state.by_id[chosen])

    def _end_seen(self, before: str) -> None:
        """The engine came or went."""
        self._table.set_state(self.view.state, self.status_of)
        self._draw_head()
        if self._condition == "died" and self.view.folder is not None:
            log = self.view.folder.path / "engine.log"
            self.inform(f"The engine has died. What it said last: {log}", "error")
        elif before == "running":
            back = " Esc goes back." if len(self.app.screen_stack) > 2 else ""
            self.inform(f"The run is over: {self._condition}.{back}")

    def _tick(self) -> None:
        self._standing = standing(self.view.state, self._condition, self._now())
        self._draw_head()
        self._table.tick(self._now())
        self.exit_when_ended()

    def _draw_head(self) -> None:
        columns = self.app.size.width - 2
        end = self._now() if self._condition == "running" else self.view.last
        lines = header_lines(
            self.view.state, self.view.title, self._condition, self._standing, self.view.state.seconds(end),
            columns, self._glyphs, control=self.control,
        )  # fmt: skip
        head = self.query_one("#head", Static)
        # Without a need for it the whole screen is not laid out again, four times a second.
        head.update(Content("\n").join(lines), layout=len(lines) != head.size.height)

    def on_resize(self) -> None:
        self._draw_head()

    @property
    def _pane(self) -> Pane:
        (pane,) = self._tabs.get_pane(self._tabs.active or "transcript").children
        return pane  # type: ignore[return-value]

    def _show_chosen(self) -> None:
        self._pane.show(self.view, self._table.selected)

    @on(TaskTable.Selected)
    def _on_selected(self) -> None:
        self._show_chosen()

    @on(TabbedContent.TabActivated)
    def _on_tab(self) -> None:
        self._show_chosen()

    def action_tab(self, name: str) -> None:
        self._tabs.active = name

    def action_zoom(self) -> None:
        self.toggle_class("zoomed")
        if self.has_class("zoomed"):
            self._tabs.get_pane(self._tabs.active).children[0].focus()
        else:
            self._table.focus()

    def action_follow(self) -> None:
        self._transcript.follow = not self._transcript.follow
        self.inform("Following the transcript." if self._transcript.follow else "Not following any more.")

    def action_compare_models(self) -> None:
        self.app.push_screen(CompareModelsScreen(self.view, self._table.selected, glyphs=self._glyphs))

    def action_bake_off(self) -> None:
        self.app.push_screen(BakeOffScreen(self.view, glyphs=self._glyphs))

    def action_copy(self) -> None:
        task = self.chosen
        text = self._transcript.text() if task is not None else ""
        if not text:
            self.inform("There is nothing to copy.", "warning")
            return
        self.app.copy_to_clipboard(text)
        self.inform(
            f"The transcript is in the clipboard: {len(text):,} characters (where the terminal allows it)."
        )

    def action_folder_path(self) -> None:
        task, info = self.chosen, self.view.state.info
        if task is None or info is None or not info.task_file:
            self.inform("Where this task works is not known.", "warning")
            return
        path = str(tasks_folder(Path(info.task_file)) / task.dir)
        self.app.copy_to_clipboard(path)
        self.inform(f"{path} (copied)")

    @work(exclusive=True, group="export")
    async def action_export(self) -> None:
        await ask_and_export(self.app, source_of(self.view), Path.cwd(), self._now())

    def action_sort(self) -> None:
        self.inform(f"Sorted {self._table.sort_next()}, as it is now.")

    def action_failed(self, step: int) -> None:
        if not self._table.go_to_failed(step):
            self.inform("No task that is shown has failed.", "warning")

    def action_filter(self) -> None:
        self._entry.open("filter")

    def action_search(self) -> None:
        self.action_tab("transcript")
        self._entry.open("search")

    @on(EntryBar.Typed)
    def _on_typed(self, event: EntryBar.Typed) -> None:
        if event.purpose != "filter":
            return
        try:
            self._table.set_filter(parse_filter(event.text, self._now) if event.text.strip() else None)
            self._entry.answer("")
        except FilterError as error:
            self._entry.answer(harmless(str(error)))

    @on(EntryBar.Entered)
    def _on_entered(self, event: EntryBar.Entered) -> None:
        if event.purpose == "search":
            hits = self._transcript.search(event.text)
            self._entry.answer(f"{hits:,} found" if event.text else "")
            self._transcript.focus()
        else:
            self._table.focus()

    def action_close_input(self) -> None:
        if self._entry.is_open:
            self._entry.close()
            if self._entry.purpose == "filter":
                self._table.set_filter(None)
            self._table.focus()
        elif self.has_class("zoomed"):
            self.action_zoom()
        else:
            self._table.focus()
            self.action_back()

    def action_search_next(self) -> None:
        self._transcript.search_next(1)

    def action_search_previous(self) -> None:
        self._transcript.search_next(-1)

    def on_unmount(self) -> None:
        self.view.close()


def _task_of(event: e.Event) -> str | None:
    """The id of the task that it is about; None: the run."""
    task_id: str | None = getattr(event, "task_id", None)
    return task_id
