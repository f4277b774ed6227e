"""The transcript of the chosen task: what was said and done, and how it was judged."""

import asyncio
import time
from collections.abc import Sequence

from textual import work
from textual.timer import Timer

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.state.task_state import TaskState
from agentbatch.tasks.results.transcript import TRANSCRIPT
from agentbatch.text import harmless
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import text_lines
from agentbatch.tui.lines.transcript.block_lines import live_lines
from agentbatch.tui.lines.transcript.blocks import Block, Note
from agentbatch.tui.lines.transcript.placeholder import (
    NO_TASK,
    READING,
    blocks_before_the_start,
    blocks_of_file,
)
from agentbatch.tui.reading.transcript import TranscriptReading
from agentbatch.tui.reading.transcript_view import Hit, TranscriptView
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.widgets.transcript.block_list import BlockList

LIVE_EVERY = 0.1
"""Seconds between two pictures of a reply that streams in."""


class TranscriptPane(BlockList):
    """Shows one task of a view. It follows what happens until somebody scrolls up."""

    def __init__(self, *, glyphs: Glyphs | None = None) -> None:
        super().__init__(glyphs=glyphs or Glyphs())
        self._view: RunView | None = None
        self._task_id: str | None = None
        self.reading = False
        """The transcript is being read; what comes up meanwhile is looked for afterwards."""
        self._news = False
        self._hits: list[Hit] = []
        self._hit = 0
        self._live_task: TaskState | None = None
        self._live_timer: Timer | None = None
        self._live_drawn = 0.0

    # the contract of panes ---------------------------------------------------------------------------------------

    def show(self, view: RunView, task_id: str | None) -> None:
        """Show this task, from its end; one that is shown already stays as it is."""
        if view is self._view and task_id == self._task_id and task_id is not None:
            self._catch_up()
            return
        self._view, self._task_id = view, task_id
        self._hits, self._needle, self.reading = [], None, False
        self._live_task = None
        self._live.set_lines([])
        self.workers.cancel_group(self, "transcript")
        self.follow = True
        if task_id is None:
            self._say([Note(NO_TASK)])
        elif view.folder is None:
            task = view.task(task_id)
            self._say(blocks_of_file(task) if task is not None else [Note(NO_TASK)])
        else:
            self.reading = True
            self._say([Note(READING)])
            self._read(view, view.folder, task_id)

    def changed(self, events: Sequence[e.Event]) -> None:
        """Something has come up in the shown task."""
        self._catch_up()

    def live(self, task: TaskState) -> None:
        """What the shown task does now: a reply that streams in, a wait. At most ten times a second."""
        if task.id != self._task_id:
            return
        self._live_task = task
        if self._live_timer is None:
            wait = self._live_drawn + LIVE_EVERY - time.monotonic()
            if wait <= 0:
                self._draw_live()
            else:
                self._live_timer = self.set_timer(wait, self._draw_live)

    def _draw_live(self) -> None:
        self._live_timer = None
        self._live_drawn = time.monotonic()
        task = self._live_task
        self._live.set_lines(live_lines(task, self._glyphs) if task is not None else [])
        self._stay()

    # reading -----------------------------------------------------------------------------------------------------

    def _say(self, blocks: Sequence[Block]) -> None:
        self.set_transcript(TranscriptView(self._glyphs, blocks))

    @work(exclusive=True, group="transcript")
    async def _read(self, view: RunView, folder: RunFolder, task_id: str) -> None:
        try:
            # Read first: what it holds of the task is what there is when nothing has happened.
            task = view.task(task_id)
            transcript = TranscriptView(
                self._glyphs,
                blocks_before_the_start(task, len(view.state.attempts_of(task.id)))
                if task is not None
                else [Note(NO_TASK)],
                TranscriptReading(folder.database, task_id),
                str(folder.task(task_id) / TRANSCRIPT),
            )
            await asyncio.to_thread(transcript.read_on)
        except UserError as error:
            self._say([Note(str(error), "error")])
            return
        finally:
            if view is self._view and task_id == self._task_id:
                self.reading = False
        self.set_transcript(transcript)
        state = view.state.by_id.get(task_id)
        if state is not None:
            self.live(state)
        if self._news:
            self._catch_up()

    def _catch_up(self) -> None:
        """Take in what has come up since the last look."""
        self._news = self.reading
        if self.reading:
            return
        before, was_placeholder = len(self.transcript.blocks), self.transcript.is_placeholder
        try:
            touched = self.transcript.read_on()
        except UserError as error:
            self._live.set_lines(text_lines(str(error), "$text-error"))
            return
        if was_placeholder and not self.transcript.is_placeholder:
            self.set_transcript(self.transcript)
        elif touched or len(self.transcript.blocks) > before:
            self.grow(before, touched)

    # search and copy ---------------------------------------------------------------------------------------------

    def search(self, text: str) -> int:
        """Look for `text` (capitals or not) in all that the task has; shows the last place. Returns the number of
        places, at most MAX_HITS; an empty text ends the search."""
        wanted = harmless(text)
        needle, self._hits = None, []
        try:
            if wanted:
                needle, self._hits = self.transcript.find(wanted)
        except UserError as error:
            self._live.set_lines(text_lines(str(error), "$text-error"))
        self._mark(needle)
        self._hit = len(self._hits) - 1
        self._show_hit()
        return len(self._hits)

    def search_next(self, direction: int) -> None:
        """To the next place (1), or the one before (-1); behind the last comes the first."""
        if self._hits:
            self._hit = (self._hit + direction) % len(self._hits)
            self._show_hit()

    def _show_hit(self) -> None:
        if not self._hits:
            return
        self.follow = False
        place, line = self._hits[self._hit]
        self.transcript.open(place)
        self._move(self._window.around(place, len(self.transcript.blocks)))
        self._refresh_places([place])
        self._set_cursor(place)
        self.call_after_refresh(self._reveal_line, place, line)

    def _reveal_line(self, place: int, line: int) -> None:
        if self._window.start <= place < self._window.end:
            self._reveal(place, row=self._at(place).row_of(line))

    def text(self) -> str:
        """All of the transcript as plain text, for the clipboard; empty when it cannot be read."""
        if self._task_id is None or self.reading:
            return ""
        try:
            return self.transcript.text()
        except UserError:
            return ""
