"""What the evaluator, or the task's checks, said of each iteration."""

from collections.abc import Sequence
from pathlib import Path

from textual.containers import VerticalScroll

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.tui.lines.render import Line, text_lines
from agentbatch.tui.lines.transcript.verdict_text import verdict_blocks
from agentbatch.tui.reading.view import RunView
from agentbatch.tui.widgets.transcript.block import BlockWidget


class VerdictsPane(VerticalScroll):
    """A tab of the run screen: the newest evaluation first. Reads only while it is on the screen."""

    DEFAULT_CSS = Path(__file__).with_suffix(".tcss").read_text(encoding="utf-8")

    def __init__(self, *, glyphs: Glyphs | None = None) -> None:
        super().__init__()
        self._glyphs = glyphs or Glyphs()
        self._view: RunView | None = None
        self._task_id: str | None = None
        self._stale = False
        self._blocks: list[BlockWidget] = []

    def show(self, view: RunView, task_id: str | None) -> None:
        """Show this task's evaluations, from the newest one."""
        if (view, task_id) != (self._view, self._task_id):
            self._view, self._task_id = view, task_id
            self.scroll_home(animate=False, immediate=True)
        self._draw_when_seen()

    def changed(self, events: Sequence[e.Event]) -> None:
        """Something has come up in the shown task."""
        if any(isinstance(event, _TOLD) for event in events):
            self._draw_when_seen()

    def _draw_when_seen(self) -> None:
        self._stale = not self.is_on_screen
        if not self._stale:
            self._draw()

    def on_show(self) -> None:
        if self._stale and self._view is not None:
            self._stale = False
            self._draw()

    def _draw(self) -> None:
        blocks = self._read()
        for widget, lines in zip(self._blocks, blocks, strict=False):
            widget.set_lines(lines)
        known = len(self._blocks)
        if len(blocks) > known:
            made = [
                BlockWidget(self._glyphs, lines, classes="-spaced" if place else "")
                for place, lines in enumerate(blocks[known:], start=known)
            ]
            self._blocks += made
            self.mount_all(made)
        elif len(blocks) < known:
            self.remove_children(self._blocks[len(blocks) :])
            del self._blocks[len(blocks) :]

    def _read(self) -> list[list[Line]]:
        if self._view is None or self._task_id is None:
            return verdict_blocks(None, self._glyphs)
        try:
            return verdict_blocks(self._view.task(self._task_id), self._glyphs)
        except UserError as error:
            return [text_lines(str(error), "$text-error")]


_TOLD = (
    e.TaskQueued
    | e.TaskStarted
    | e.TaskRequeued
    | e.TaskResumed
    | e.IterationStarted
    | e.TurnFinished
    | e.CheckFinished
    | e.VerdictReached
    | e.TaskFinished
)
"""Events after which the pane has something else to say."""
