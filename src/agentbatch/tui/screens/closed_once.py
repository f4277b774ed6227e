"""Screens that close once: a second key, typed before the first has taken effect, closes no other screen."""

from textual.await_complete import AwaitComplete
from textual.screen import Screen, ScreenResultType


class ClosedOnce(Screen[ScreenResultType]):
    """Where Textual would give a second result, and then take the screen below off the stack too.

    Behind `ModalScreen` among a class's bases: Textual takes the look of the first one only.
    """

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """As Textual's, while it is the screen on top; else nothing."""
        return super().dismiss(result) if self.is_active else AwaitComplete()
