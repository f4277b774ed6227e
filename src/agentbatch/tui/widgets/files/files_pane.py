"""What a task changed in its directory: the files as a tree, and the chosen one's diff."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.timer import Timer
from textual.widgets import Static

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.results.changes import read_changes
from agentbatch.text import harmless
from agentbatch.tui.lines.changed_files import summary_line, title_line
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.reading.changes_source import (
    ChangesNote,
    Directory,
    FilesSource,
    Kept,
    files_source,
)
from agentbatch.tui.reading.directory_changes import DirectoryChanges, Look
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.widgets.files.changed_tree import ChangedTree
from agentbatch.tui.widgets.files.diff_view import DiffView
from agentbatch.workspace.files.diff.file_diff import FileChange
from agentbatch.workspace.inspection import working_directory

BESIDE = 110
"""Columns of the pane from which the diff stands beside the tree."""

LOOK_EVERY = 2.0
"""Least seconds between two looks at a directory; a slow look is followed by five times its own time."""


class FilesPane(Vertical):
    """A tab of the run screen. Reads only while it is on the screen."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")

    def __init__(
        self,
        *,
        glyphs: Glyphs | None = None,
        redact: Redactor | None = None,
    ) -> None:
        """`redact` hides keys in what is read from a directory; what a run kept has none."""
        super().__init__()
        self._glyphs = glyphs or Glyphs()
        self.set_class(self._glyphs.ascii, "-ascii")
        self._redact = redact or Redactor([])
        self._view: RunView | None = None
        self._task_id: str | None = None
        self._source: FilesSource = ChangesNote("")
        self._directory: DirectoryChanges | None = None
        self._files: Sequence[FileChange] = ()
        self._where = ""
        self._looking = self._news = False
        """A directory is being looked at; what comes up meanwhile is looked for afterwards."""
        self._turn = 0
        """Counts what was asked for: an answer to something else comes too late."""
        self._one = asyncio.Lock()
        self._again: Timer | None = None
        self._next = 0.0
        """Monotonic second before which a directory is not looked at again."""
        self._stale = False

    def compose(self) -> ComposeResult:
        yield Static(id="files-head", markup=False)
        with Container(id="files-body"):
            yield ChangedTree(self._glyphs)
            with Vertical(id="files-diff"):
                yield Static(id="files-title", markup=False)
                yield DiffView()

    # the contract of panes ---------------------------------------------------------------------------------------

    def show(self, view: RunView, task_id: str | None) -> None:
        """Show what this task changed."""
        if (view, task_id) != (self._view, self._task_id):
            self._view, self._task_id = view, task_id
            self._source, self._turn, self._looking = ChangesNote(""), self._turn + 1, False
            self._directory, self._next = None, 0.0
            if self._again is not None:
                self._again.stop()
                self._again = None
            self._show_note("")
        self._refresh_when_seen()

    def changed(self, events: Sequence[e.Event]) -> None:
        """Something has come up in the shown task; most of it changes no file."""
        if any(_may_change_files(event) for event in events):
            self._refresh_when_seen()

    def focus(self, scroll_visible: bool = True) -> Self:
        """The tree has it."""
        self.query_one(ChangedTree).focus(scroll_visible)
        return self

    # looking -----------------------------------------------------------------------------------------------------

    def _refresh_when_seen(self) -> None:
        self._stale = not self.is_on_screen
        if not self._stale:
            self._look()

    def on_show(self) -> None:
        if self._stale and self._view is not None:
            self._stale = False
            self._look()

    def _look(self) -> None:
        """Find out what there is: at once, or when a directory may be looked at again."""
        view = self._view
        if view is None:
            return
        source, before = files_source(view.state, view.folder, self._task_id), self._source
        if source != before:
            self._source, self._turn, self._looking = source, self._turn + 1, False
        match source:
            case ChangesNote(text):
                self._show_note(text)
            case Kept() if source != before:
                self._read_kept(source, self._turn)
            case Directory():
                self._look_at(source)

    def _look_at(self, source: Directory) -> None:
        self._news = self._looking
        if self._looking or self._again is not None:
            return
        wait = self._next - time.monotonic()
        if wait > 0:
            self._again = self.set_timer(wait, self._look_again)
        else:
            self._looking = True
            self._read_directory(source, self._turn)

    def _look_again(self) -> None:
        self._again = None
        self._refresh_when_seen()

    @work(group="files")
    async def _read_kept(self, source: Kept, turn: int) -> None:
        try:
            files, note = await asyncio.to_thread(read_changes, source.folder)
        except OSError as error:
            self._answer(turn, Look(note=f"{error.filename} cannot be read: {error.strerror or error}."), "")
        else:
            self._answer(turn, Look(tuple(files), note), "")

    @work(group="files")
    async def _read_directory(self, source: Directory, turn: int) -> None:
        async with self._one:  # never two threads at it, however fast the selection moves
            if turn != self._turn:
                return
            begun = time.monotonic()
            chosen = self.query_one(ChangedTree).chosen
            looking = asyncio.ensure_future(
                asyncio.to_thread(self._compare, source, chosen.path if chosen is not None else "")
            )
            directory, look = await asyncio.shield(looking)
            now = time.monotonic()
        if turn != self._turn:
            return
        self._directory, self._looking = directory, False
        self._next = now + max(LOOK_EVERY, 5 * (now - begun))
        self._answer(turn, look, str(directory.root))
        if self._news or not look.whole:
            self._refresh_when_seen()

    def _compare(self, source: Directory, first: str) -> tuple[DirectoryChanges, Look]:
        """In a thread."""
        root = working_directory(source.folder, source.own)
        directory = self._directory
        if directory is None or (directory.folder, directory.root) != (source.folder, root):
            directory = DirectoryChanges(source.folder, root, self._redact)
        try:
            return directory, directory.look(first)
        except FileNotFoundError:
            return directory, Look(note="Its directory is being prepared.")
        except (OSError, ValueError) as error:
            return directory, Look(note=f"What the directory was at the beginning cannot be read: {error}")

    def _answer(self, turn: int, look: Look, where: str) -> None:
        if turn != self._turn:
            return
        if not look.files:
            self._show_note(look.note or "Nothing has been changed so far.")
            return
        self._files, self._where = look.files, look.note or where
        self.remove_class("-note")
        self._draw_head()
        self.query_one(ChangedTree).set_files(look.files)

    # drawing -----------------------------------------------------------------------------------------------------

    def _show_note(self, text: str) -> None:
        """A sentence instead of files."""
        self._files = ()
        self.add_class("-note")
        self.query_one("#files-head", Static).update(harmless(text))
        self.query_one(ChangedTree).set_files(())
        self.query_one(DiffView).set_file(None)

    def _draw_head(self) -> None:
        if self._files:
            line = summary_line(self._files, self._where, max(20, self.size.width - 2), self._glyphs)
            self.query_one("#files-head", Static).update(line)

    def on_resize(self) -> None:
        self.set_class(self.size.width >= BESIDE, "-beside")
        self._draw_head()
        self.call_after_refresh(self._draw_title)

    def _draw_title(self) -> None:
        file = self.query_one(ChangedTree).chosen
        title = self.query_one("#files-title", Static)
        if file is not None:
            title.update(title_line(file, max(20, title.size.width - 2), self._glyphs))

    @on(ChangedTree.Chosen)
    def _on_chosen(self, event: ChangedTree.Chosen) -> None:
        self.query_one(DiffView).set_file(event.file)
        self.call_after_refresh(self._draw_title)  # its place may be about to appear

    @on(ChangedTree.Opened)
    def _on_opened(self) -> None:
        self.query_one(DiffView).focus()


def _may_change_files(event: e.Event) -> bool:
    if isinstance(event, e.ToolFinished):
        return event.changed or bool(event.file)
    return isinstance(
        event,
        e.TaskStarted | e.TaskFinished | e.TaskQueued | e.TaskRequeued | e.CheckFinished | e.IterationStarted,
    )
