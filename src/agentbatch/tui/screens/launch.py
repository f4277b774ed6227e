"""Before a run: how it is to run, what would run, and the start of its engine."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Button, Footer, Static

from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.services.background import Background, CalledOff, Starting
from agentbatch.tasks.agents.starting_files import place_starting_files
from agentbatch.text import clip, counted, harmless
from agentbatch.tui.keys import bindings, keys_of
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.launch import Earlier, earlier_line, task_rows
from agentbatch.tui.lines.launch_words import launch_words
from agentbatch.tui.reading.launch_check import Findings, Place, check, earlier_run, estimate
from agentbatch.tui.reading.launch_choices import (
    chosen_flags,
    opening_choices,
    read_choices,
    to_remember,
    write_choices,
)
from agentbatch.tui.screens.ask import AskScreen, Choice
from agentbatch.tui.screens.sized import SizedScreen, TooSmall
from agentbatch.tui.widgets.launch.launch_actions import LaunchActions
from agentbatch.tui.widgets.launch.launch_findings import LaunchFindings
from agentbatch.tui.widgets.launch.launch_form import LaunchForm
from agentbatch.tui.widgets.launch.plan_list import PlanList

TYPING = 0.3
"""Seconds without a change before what was typed is checked."""

LOOK_EVERY = 2.0
"""Seconds between two looks whether a file has changed."""


class LaunchScreen(SizedScreen[None]):
    """Checks what is shown as the command would, and starts an engine in the background."""

    place = "launch"
    CSS_PATH = "launch.tcss"
    BINDINGS = [  # noqa: RUF012 - as Textual has it
        *bindings(keys_of("launch")),
        Binding("escape", "call_off", "Call off", show=False),
    ]
    VERTICAL_BREAKPOINTS = [*SizedScreen.VERTICAL_BREAKPOINTS, (30, "-tall")]  # noqa: RUF012

    class Started(Message):
        """The engine has begun; its run can be looked at."""

        def __init__(self, background: Background) -> None:
            super().__init__()
            self.background = background

    class Results(Message):
        """The user wants to see earlier runs."""

    def __init__(
        self,
        settings: Settings,
        words: Sequence[str],
        *,
        glyphs: Glyphs,
        at_once: bool = False,
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`settings`: as flags, environment and .env have them; `words`: the command line, to which the engine's is
        made; `at_once`: start as soon as all is checked; `folder`: where the command runs [this one]."""
        super().__init__()
        self._at = Place.of(settings, words, folder or Path.cwd(), environ)
        self._words = list(words)
        self._glyphs = glyphs
        self._remembered = read_choices(self._at.folder)
        self._shown = opening_choices(settings, self._remembered)
        self._findings: Findings | None = None
        """None: what is shown has not been checked yet."""
        self._earlier: Earlier | None = None
        self._signature: tuple[object, ...] = ()
        self._typing: Timer | None = None
        self._unwanted = threading.Event()
        self._starting: Starting | None = None
        self._waiting = at_once
        """Start was pressed before the check was over."""
        self._at_once = at_once
        """The command line has said what starts."""
        self.exit_code = 0
        """Of the run that was here last."""

    def compose(self) -> ComposeResult:
        yield TooSmall()
        yield Static(Content.assemble(("agentbatch ", "bold"), clip(str(self._at.task_file), 500)), id="head")
        yield LaunchForm(self._at.settings, self._shown, self._glyphs)
        yield LaunchFindings(self._glyphs)
        yield PlanList()
        yield LaunchActions()
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#mode").focus()
        self._signature = self._at.signature()
        self._show()
        self._check()
        self.set_interval(LOOK_EVERY, self._look_at_files)

    def on_screen_resume(self) -> None:
        self._look_back()

    def on_unmount(self) -> None:
        self._unwanted.set()

    # checking ----------------------------------------------------------------------------------------------------

    @on(LaunchForm.Changed)
    def _changed(self) -> None:
        values = self.query_one(LaunchForm).values
        if values == self._shown:  # fields report their first value too
            return
        self._shown = values
        self._findings = None
        self._unwanted.set()
        self._show_doing()
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING, self._check)

    def _look_at_files(self) -> None:
        signature = self._at.signature()
        if signature != self._signature and self._starting is None:
            self._signature = signature
            self._check()

    @work(exclusive=True, group="check")
    async def _check(self) -> None:
        self._unwanted.set()
        self._unwanted = unwanted = threading.Event()
        findings = await asyncio.to_thread(check, self._at, self._chosen)
        rows = (
            await asyncio.to_thread(task_rows, findings.prepared.plan, findings.missing)
            if findings.prepared
            else []
        )
        if self._over:
            return
        self._findings = findings
        self._show()
        prepared = findings.prepared
        if prepared is None:
            self._waiting = False
            return
        self.query_one(PlanList).show(rows)
        if self._waiting:
            self._waiting = False
            self.action_start()
            return
        least = await asyncio.to_thread(estimate, prepared, unwanted.is_set)
        if least is not None and not self._over:
            self.query_one(LaunchFindings).show_least(least)

    @work(exclusive=True, group="earlier")
    async def _look_back(self) -> None:
        self._earlier = await asyncio.to_thread(earlier_run, self._at)
        if not self._over:
            self.query_one(LaunchActions).show_earlier(self._earlier)

    @property
    def _over(self) -> bool:
        """The screen is being taken down: parts of it may be gone before its workers are."""
        return not self.app.is_running or self._pruning

    @property
    def _can_start(self) -> bool:
        prepared = self._findings.prepared if self._findings is not None else None
        return prepared is not None and not prepared.unplayable

    @property
    def _chosen(self) -> dict[str, str]:
        return chosen_flags(self._at.settings, self.query_one(LaunchForm).values)

    # starting ----------------------------------------------------------------------------------------------------

    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Start what is shown, as soon as it is known to be right."""
        if self._starting is not None:
            return
        if self._findings is None:
            self._waiting = True
            self._check()
        elif not self._can_start:
            return
        elif self._earlier is not None and self._earlier.can_resume and not self._at_once:
            self._ask_which(self._earlier)
        else:
            self._start_new()

    def _start_new(self) -> None:
        self._at_once = False
        self._start(launch_words(self._words, self._chosen), remember=True)

    @work(exclusive=True, group="ask")
    async def _ask_which(self, earlier: Earlier) -> None:
        choices = [
            Choice("r", f"Resume it: {earlier.left:,} of {counted(earlier.total, 'task')} left", "resume"),
            Choice("s", "Start a new run: all tasks from their beginning", "new"),
        ]
        answer = await self.app.push_screen_wait(AskScreen(earlier_line(earlier), choices, "Neither"))
        if answer == "resume":
            self._resume()
        elif answer:
            self._start_new()

    @on(Button.Pressed, "#resume")
    def _resume(self) -> None:
        if self._earlier is not None and self._starting is None:
            self._start(["resume", self._earlier.run_id], remember=False)

    def _start(self, words: list[str], *, remember: bool) -> None:
        try:
            self._starting = Starting(words, self._at.folder, self._at.environ, lifeline=True)
        except (UserError, OSError) as error:
            self._show_failure(str(error))
            return
        self._show()
        self._wait_for(self._starting, remember)

    @work(group="start")
    async def _wait_for(self, starting: Starting, remember: bool) -> None:
        try:
            background = await asyncio.to_thread(starting.wait)
        except CalledOff:
            self._not_started("The start was called off.")
        except (UserError, OSError) as error:
            self._not_started(str(error))
        else:
            self._starting = None
            if not self._over:  # else its lifeline ends it
                self._show()
                if remember:
                    self._remember()
                self.post_message(self.Started(background))
        finally:
            starting.cancel()  # the screen goes; nothing when the run has begun or the process has ended

    def _not_started(self, why: str) -> None:
        self._starting = None
        if not self._over:
            self._show()
            self.query_one("#mode").focus()
            self._show_failure(why)

    def _show_failure(self, why: str) -> None:
        """Nothing of what was checked has changed: it may go better the next time."""
        self.query_one(LaunchFindings).show(replace(self._findings or Findings(), problem=why))

    def _remember(self) -> None:
        settings, shown = self._at.settings, self.query_one(LaunchForm).values
        self._remembered = to_remember(settings, shown, self._remembered)
        try:
            write_choices(self._at.folder, self._remembered, Redactor(settings.secrets))
        except OSError as error:
            self.notify(f"Your choices could not be remembered: {harmless(str(error))}.", markup=False)

    def action_call_off(self) -> None:
        """End the engine that is on its way."""
        self._waiting = False
        if self._starting is not None:
            self._starting.cancel()

    def action_leave(self) -> None:
        self.action_call_off()
        self.app.exit(self.exit_code)

    def action_results(self) -> None:
        self.post_message(self.Results())

    @on(Button.Pressed, "#init")
    @work(group="init")
    async def _init(self) -> None:
        try:
            placed = await asyncio.to_thread(place_starting_files, self._at.folder)
        except UserError as error:
            self._show_failure(str(error))
            return
        if self._over:
            return
        made = sum(each.done == "created" for each in placed)
        self.notify(f"{counted(made, 'file')} made. Put your tasks into task.json.", markup=False)
        self._signature = self._at.signature()
        self._check()

    # showing -----------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """What was found out; before that, what was shown stays."""
        findings = self._findings
        self.query_one(LaunchForm).disabled = self._starting is not None
        self._show_doing()
        if findings is None:
            return
        self.query_one(LaunchForm).mark(findings.wrong)
        if findings.prepared is not None:
            self.query_one(LaunchForm).show_unset(findings.prepared.settings)
        self.query_one(LaunchFindings).show(findings)
        empty = findings.no_task_file and self._at.settings.tasks == Path("task.json")
        self.query_one(LaunchActions).show_empty(empty)
        if findings.prepared is None and not findings.wrong:
            self.query_one(PlanList).show(())

    def _show_doing(self) -> None:
        text = ""
        if self._starting is not None:
            local = self._at.settings.local
            loading = f" and loading {clip(local, 40)}" if local else ""
            text = f"Starting the engine{loading}. Esc calls it off."
        elif self._findings is None:
            text = "Checking."
        self.query_one(LaunchActions).show(text, can_start=self._can_start, busy=self._starting is not None)
