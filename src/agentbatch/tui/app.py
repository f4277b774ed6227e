"""The terminal app: the launch screen, a run, or the results browser. It shows RunStates and sends commands."""

import asyncio
import gc
import os
import signal
import sys
import termios
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self

from textual import on
from textual.app import App, SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.screen import Screen
from textual.types import IgnoreReturnCallbackType

from agentbatch.config import Settings
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.services.background import Background
from agentbatch.tui.keys import Key, bindings, keys_of
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.reading.view import RunView, open_view
from agentbatch.tui.screens.help import HelpScreen
from agentbatch.tui.screens.launch import LaunchScreen
from agentbatch.tui.screens.results import ResultsScreen
from agentbatch.tui.screens.run import RunScreen
from agentbatch.tui.screens.sized import SizedScreen

END_SIGNALS = (signal.SIGTERM, signal.SIGHUP)

PATIENCE = 10.0
"""Seconds that an engine of ours has to end when the app must go; then it is stopped at once, and has as many again:
the last words on the terminal say how the run ended."""

TERMINAL_LOOK_EVERY = 0.5
"""Seconds between two looks whether the terminal is still there: Textual itself would wait for ever."""

YOUNG = 20_000
"""Objects that are made before Python looks for garbage among them. Drawing makes thousands that go by themselves: at
the usual 700 a quarter of the app's CPU was looking."""


def keys_on(screen: object) -> list[Key]:
    """The keys that work on a screen."""
    own = keys_of(screen.place, control=screen.control) if isinstance(screen, SizedScreen) else []
    return [*own, *keys_of("everywhere")]


class KeyCommands(Provider):
    """A command for each key of the screen."""

    async def discover(self) -> Hits:
        for key in self._keys():
            yield DiscoveryHit(key.label, self._doing(key), help=f"{key.text} ({key.shown})")

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for key in self._keys():
            score = max(matcher.match(key.label), matcher.match(key.text))
            if score > 0:
                yield Hit(
                    score, matcher.highlight(key.label), self._doing(key), help=f"{key.text} ({key.shown})"
                )

    def _keys(self) -> Iterator[Key]:
        return (key for key in keys_on(self.screen) if not key.action.startswith("search_"))

    def _doing(self, key: Key) -> IgnoreReturnCallbackType:
        return partial(self.screen.run_action, key.action)


class AgentbatchApp(App[int]):
    """Opens with the screen that `first` makes. Returns the exit code."""

    TITLE = "agentbatch"
    BINDINGS = bindings(keys_of("everywhere"))
    COMMANDS = {KeyCommands}  # noqa: RUF012 - as Textual has it
    CSS_PATH = "app.tcss"

    def __init__(
        self,
        first: "Callable[[AgentbatchApp], Screen[Any]]",
        *,
        ascii_only: bool = False,
        now: Callable[[], float] = time.time,
        redact: Redactor | None = None,
    ) -> None:
        """`now` gives epoch seconds; `redact` hides keys in tasks' files and in the trace of a crash."""
        super().__init__()
        self._first = first
        self.glyphs = Glyphs(ascii_only)
        self.now = now
        self._redact = redact or Redactor([])
        self.engine: Background | None = None
        """The engine that this app has started."""
        self.ended_by = 0
        """The signal that had the app end."""

    @classmethod
    def launching(cls, settings: Settings, words: Sequence[str], **options: Any) -> Self:
        """Opens the launch screen, which starts at once where the mode has been chosen. `words`: the command line."""
        at_once = settings.mode is not None
        return cls(lambda app: LaunchScreen(settings, words, glyphs=app.glyphs, at_once=at_once), **options)

    @classmethod
    def watching(cls, folder: RunFolder, *, control: bool, **options: Any) -> Self:
        """Opens a run. Raises UserError when it cannot be read."""
        view = open_view(folder)
        return cls(lambda app: app.run_screen(view, control=control), **options)

    def run_screen(self, view: RunView, *, control: bool, engine: Background | None = None) -> RunScreen:
        return RunScreen(
            view, control=control, glyphs=self.glyphs, now=self.now, engine=engine, redact=self._redact
        )

    async def on_mount(self) -> None:
        self.set_class(self.glyphs.ascii, "ascii")
        loop = asyncio.get_running_loop()
        for number in END_SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not in a program's main thread
                loop.add_signal_handler(number, self._end_by, number)
        if self._driver is not None and not self.is_headless:
            gc.set_threshold(YOUNG)
            when_gone(sys.__stdin__.fileno() if sys.__stdin__ else 0, self._end_without_terminal)
        await self.push_screen(self._first(self))

    @on(LaunchScreen.Started)
    def _on_started(self, event: LaunchScreen.Started) -> None:
        self.engine = event.background
        try:
            view = open_view(RunFolder(event.background.run_folder))
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        launch, run = self.screen, self.run_screen(view, control=True, engine=self.engine)

        def back(_: None) -> None:
            if isinstance(launch, LaunchScreen):
                launch.exit_code = run.exit_code

        self.push_screen(run, back)

    @on(LaunchScreen.Results)
    def _on_results(self) -> None:
        self.push_screen(self.results_screen(Path.cwd()))

    def results_screen(self, base: Path) -> ResultsScreen:
        """The runs and results files of a folder."""
        return ResultsScreen(
            base, lambda view: self.run_screen(view, control=False), glyphs=self.glyphs, now=self.now
        )

    def _end_by(self, number: int) -> None:
        """A signal: an engine of ours is stopped, then the app ends."""
        if not self.ended_by:
            self.ended_by = number
            self.run_worker(self._end())

    def _end_without_terminal(self) -> None:
        """Nothing can be drawn or put right any more. The engine is asked to stop; it also sees that we have gone."""
        if self.engine is not None and self.engine.ended() is None:
            with suppress(OSError):
                self.engine.stop()
        os._exit(128 + signal.SIGHUP)

    async def _end(self) -> None:
        engine = self.engine
        if engine is not None:
            for stop in (engine.stop, engine.stop_now):
                if engine.ended() is None:
                    stop()
                deadline = time.monotonic() + PATIENCE
                while engine.ended() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - it is a process
                    await asyncio.sleep(0.1)
        self.exit(128 + self.ended_by)

    async def action_quit(self) -> None:
        """Leave, unless the screen has something to ask first."""
        leave = getattr(self.screen, "action_leave", None)
        if leave is None:
            self.exit(0)
        else:
            leave()

    def action_help(self) -> None:
        self.push_screen(HelpScreen(keys_on(self.screen)))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield SystemCommand("Theme", "Change the colours", self.search_themes)
        if not self.is_web:
            yield SystemCommand("Picture", "Write the screen to an SVG file in this folder", self._picture)

    def _picture(self) -> None:
        self.set_timer(0.1, self._write_picture)  # the palette has gone then

    def _write_picture(self) -> None:
        try:
            path = self.save_screenshot(path=str(Path.cwd()))
        except OSError as error:
            self.notify(f"The picture cannot be written: {error.strerror or error}.", markup=False)
        else:
            self.notify(f"{path} is written.", markup=False)

    def _fatal_error(self) -> None:
        """Textual's own shows local variables, keys among them."""
        self._exit_renderables.append(self._redact(traceback.format_exc()))
        self._close_messages_no_wait()


def is_gone(descriptor: int) -> bool:
    """The terminal behind an open descriptor has been hung up."""
    try:
        termios.tcgetattr(descriptor)
    except termios.error:
        return True
    return False


def when_gone(descriptor: int, act: Callable[[], None]) -> None:
    """Call `act`, once, in a thread of its own, when the terminal behind `descriptor` goes. Nothing where it is no
    terminal now (an app that is served, a test)."""
    if not os.isatty(descriptor):
        return

    def watch() -> None:
        while not is_gone(descriptor):
            time.sleep(TERMINAL_LOOK_EVERY)
        act()

    threading.Thread(target=watch, name="agentbatch-terminal", daemon=True).start()
