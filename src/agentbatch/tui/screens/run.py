"""A run: its tasks, and the chosen one's transcript, files, verdicts and usage."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.widgets import Footer, Input, Static, TabbedContent, TabPane

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.listing import ShownStatus, shown_status
from agentbatch.runs.state import TaskState
from agentbatch.text import harmless
from agentbatch.tui.keys import bindings, keys_of
from agentbatch.tui.lines.filter import FilterError, parse_filter
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.header import Standing, header_lines, standing
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.screens.ask import AskScreen, Choice
from agentbatch.tui.screens.compare_models import CompareModelsScreen
from agentbatch.tui.screens.export import ask_and_export, source_of
from agentbatch.tui.screens.sized import TooSmall
from agentbatch.tui.screens.steering import SteeringKeys
from agentbatch.tui.widgets.files.files_pane import FilesPane
from agentbatch.tui.widgets.task_table import TaskTable
from agentbatch.tui.widgets.transcript.transcript_pane import TranscriptPane
from agentbatch.tui.widgets.usage_pane import UsagePane
from agentbatch.tui.widgets.verdicts_pane import VerdictsPane

LOOK_EVERY = 0.25
"""Seconds between two looks for events."""


class OwnEngine(Protocol):
    """An engine that this app has started (api.background.Background)."""

    def detach(self) -> None:
        """It goes on without us."""

    def stop(self) -> None: ...

    def stop_now(self) -> None: ...

    def ended(self) -> int | None:
        """Its exit code; None while it runs."""


class Pane(Protocol):
    """A tab of the details."""

    def show(self, view: RunView, task_id: str | None) -> None: ...

    def changed(self, events: Sequence[e.Event]) -> None: ...


class RunScreen(SteeringKeys):
    """Looks at a run; `control`: and steers it. `engine`: one of ours, which ends with the screen unless the user
    has it go on."""

    place = "run"
    CSS_PATH = "run.tcss"
    BINDINGS = [  # noqa: RUF012 - as Textual has it
        *bindings(keys_of("run")),
        Binding("escape", "close_input", "Back", show=False),
    ]

    def __init__(
        self,
        view: RunView,
        *,
        control: bool,
        glyphs: Glyphs,
        now: Callable[[], float],
        engine: OwnEngine | None = None,
        redact: Redactor | None = None,
    ) -> None:
        """`redact` hides keys in what is read from the tasks' directories."""
        super().__init__()
        self.view = view
        self.control = control
        self._glyphs = glyphs
        self._now = now
        self._engine = engine
        self._redact = redact
        self._leaving = False
        self._standing: Standing = standing(view.state, view.condition, now())
        self._condition = view.condition

    def compose(self) -> ComposeResult:
        yield TooSmall()
        yield Static(id="head")
        with Horizontal(id="asking"):
            yield Static("filter", id="asking-what")
            yield Input(id="asking-input", compact=True)
            yield Static(id="asking-answer", markup=False)
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
    def chosen(self) -> TaskState | None:
        return self.view.state.tasks.get(self._table.selected or "")

    def status_of(self, task: TaskState) -> ShownStatus:
        status = shown_status(task, alive=self._condition == "running")
        return "paused" if task.paused and status in ("coding", "evaluating") else status

    # what happens ------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Take in what has come up."""
        try:
            events = self.view.poll()
        except UserError as error:
            self.tell(str(error), "error")
            return
        before, self._condition = self._condition, self.view.condition
        if before != self._condition:
            self._end_seen(before)
        if not events:
            return
        if any(isinstance(event, e.TaskQueued | e.RunStarted) for event in events):
            self._table.set_state(self.view.state, self.status_of)
        named = {task_id for event in events if (task_id := _task_of(event)) is not None}
        self._table.update_tasks(named)
        self._draw_head()
        chosen = self._table.selected
        mine = [event for event in events if _task_of(event) == chosen]
        if chosen is not None and mine:
            self._changed(chosen, mine)

    def _changed(self, chosen: str, events: Sequence[e.Event]) -> None:
        pane = self._pane
        told = [event for event in events if event.stored]
        if told or isinstance(pane, UsagePane):
            pane.changed(told)
        if isinstance(pane, TranscriptPane):
            pane.live(self.view.state.tasks[chosen])

    def _end_seen(self, before: str) -> None:
        """The engine came or went."""
        self._table.set_state(self.view.state, self.status_of)
        self._draw_head()
        if self._condition == "died" and self.view.folder is not None:
            log = self.view.folder.path / "engine.log"
            self.tell(f"The engine has died. What it said last: {log}", "error")
        elif before == "running":
            self.tell(f"The run is over: {self._condition}.")

    def _tick(self) -> None:
        self._standing = standing(self.view.state, self._condition, self._now())
        self._draw_head()
        self._table.tick(self._now())
        if self._leaving and self._condition != "running":
            self.app.exit(self.exit_code)

    def _draw_head(self) -> None:
        columns = self.app.size.width - 2
        end = self._now() if self._condition == "running" else self.view.last
        lines = header_lines(
            self.view.state, self.view.title, self._condition, self._standing, self.view.state.seconds(end),
            columns, self._glyphs, control=self.control,
        )  # fmt: skip
        head = self.query_one("#head", Static)
        # Without a need for it the whole screen is not laid out anew, four times a second.
        head.update(Content("\n").join(lines), layout=len(lines) != head.size.height)

    def on_resize(self) -> None:
        self._draw_head()

    # the details -------------------------------------------------------------------------------------------------

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
        self.tell("Following the transcript." if self._transcript.follow else "Not following any more.")

    def action_compare_models(self) -> None:
        self.app.push_screen(CompareModelsScreen(self.view, self._table.selected, glyphs=self._glyphs))

    def action_copy(self) -> None:
        task = self.chosen
        text = self._transcript.text() if task is not None else ""
        if not text:
            self.tell("There is nothing to copy.", "warning")
            return
        self.app.copy_to_clipboard(text)
        self.tell(
            f"The transcript is in the clipboard: {len(text):,} characters (where the terminal allows it)."
        )

    def action_folder_path(self) -> None:
        task, info = self.chosen, self.view.state.info
        if task is None or info is None or not info.task_file:
            self.tell("Where this task works is not known.", "warning")
            return
        path = str(Path(info.task_file).parent / task.dir)
        self.app.copy_to_clipboard(path)
        self.tell(f"{path} (copied)")

    @work(exclusive=True, group="export")
    async def action_export(self) -> None:
        await ask_and_export(self.app, source_of(self.view), Path.cwd(), self._now())

    # filter and search -------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        self._ask_for("filter", "state:error cost:>1 text")

    def action_search(self) -> None:
        self.action_tab("transcript")
        self._ask_for("search", "text in the transcript")

    def _ask_for(self, what: str, example: str) -> None:
        self.query_one("#asking-what", Static).update(what)
        self.query_one("#asking-answer", Static).update("")
        entry = self.query_one("#asking-input", Input)
        entry.value, entry.placeholder = "", example
        self.add_class("asking")
        self.set_class(what == "search", "searching")
        entry.focus()

    @on(Input.Changed, "#asking-input")
    def _on_typed(self, event: Input.Changed) -> None:
        if self.has_class("searching") or not self.has_class("asking"):
            return
        answer = self.query_one("#asking-answer", Static)
        try:
            self._table.set_filter(parse_filter(event.value, self._now) if event.value.strip() else None)
            answer.update("")
        except FilterError as error:
            answer.update(harmless(str(error)))

    @on(Input.Submitted, "#asking-input")
    def _on_asked(self, event: Input.Submitted) -> None:
        if self.has_class("searching"):
            hits = self._transcript.search(event.value)
            self.query_one("#asking-answer", Static).update(f"{hits:,} found" if event.value else "")
            self._transcript.focus()
        else:
            self._table.focus()
        self.set_class(bool(event.value.strip()), "asking")

    def action_close_input(self) -> None:
        if self.has_class("asking"):
            self.remove_class("asking")
            if not self.has_class("searching"):
                self._table.set_filter(None)
            self._table.focus()
        elif self.has_class("zoomed"):
            self.action_zoom()
        elif len(self.app.screen_stack) > 2:
            self.action_leave()
        else:
            self._table.focus()

    def action_search_next(self) -> None:
        self._transcript.search_next(1)

    def action_search_previous(self) -> None:
        self._transcript.search_next(-1)

    # leaving -----------------------------------------------------------------------------------------------------

    @property
    def exit_code(self) -> int:
        """As that of the run without a screen: 0 all completed, 1 some did not. A run that we only looked at: 0."""
        if self._engine is None:
            return 0
        ended = self._engine.ended()
        if ended is not None and ended >= 0:
            return ended
        return 0 if all(task.status == "completed" for task in self.view.state.tasks.values()) else 1

    def action_leave(self) -> None:
        if self._engine is None and len(self.app.screen_stack) > 2:
            self.dismiss(None)
        elif self._engine is None or self._condition != "running":
            self.app.exit(self.exit_code)
        else:
            self._ask_before_leaving(self._engine)

    @work(exclusive=True, group="leave")
    async def _ask_before_leaving(self, engine: OwnEngine) -> None:
        choices = [
            Choice("b", "Keep it running in the background", "background"),
            Choice("s", "Stop the run and leave; it can go on later", "stop"),
        ]
        question = "The run is under way."
        if self._leaving:
            question = "The run is stopping: running iterations end first."
            choices[1] = Choice("s", "Stop at once: cut off calls and commands", "now")
        answer = await self.app.push_screen_wait(AskScreen(question, choices))
        if answer == "background":
            engine.detach()
            self.app.exit(0)
        elif answer:
            self._leaving = True
            (engine.stop_now if answer == "now" else engine.stop)()
            self.tell("Stopping: running iterations end first. The screen closes then.")

    def on_unmount(self) -> None:
        self.view.close()


def _task_of(event: e.Event) -> str | None:
    """The id of the task that it tells of; None: the run."""
    task_id: str | None = getattr(event, "task_id", None)
    return task_id
