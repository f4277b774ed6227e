"""Screens that fit the terminal: side by side, stacked, or a sentence where there is no room."""

from typing import ClassVar

from textual.notifications import SeverityLevel
from textual.screen import ScreenResultType
from textual.widgets import Static

from agentbatch.text import harmless
from agentbatch.tui.keys import KEYS, Place
from agentbatch.tui.screens.closed_once import ClosedOnce

MIN_COLUMNS, MIN_ROWS = 60, 15
SIDE_BY_SIDE = 110
"""Columns from which two panes stand beside each other."""


class TooSmall(Static):
    """Stands in for everything else where there is no room; every SizedScreen yields one."""

    def __init__(self) -> None:
        super().__init__(
            f"This terminal is too small.\nagentbatch needs {MIN_COLUMNS} columns and {MIN_ROWS} lines.",
            markup=False,
        )


class SizedScreen(ClosedOnce[ScreenResultType]):
    """A screen with the classes -narrow (no room), -normal or -wide, and -low (no room) or -high."""

    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - as Textual has it
        (0, "-narrow"),
        (MIN_COLUMNS, "-normal"),
        (SIDE_BY_SIDE, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (MIN_ROWS, "-high")]  # noqa: RUF012
    DEFAULT_CSS = """
    SizedScreen > TooSmall {
        display: none;
        width: 100%;
        height: 100%;
        content-align: center middle;
        text-align: center;
    }
    SizedScreen.-narrow > *, SizedScreen.-low > * {
        display: none !important;
    }
    SizedScreen.-narrow > TooSmall, SizedScreen.-low > TooSmall {
        display: block !important;
    }
    """

    place: ClassVar[Place]
    """Which keys of the table are its own."""
    control = True
    """False: a viewer may not steer."""

    def inform(self, text: str, severity: SeverityLevel = "information") -> None:
        """A sentence for a few seconds."""
        self.notify(harmless(text), severity=severity, markup=False)

    def back_or_exit(self) -> None:
        """To the screen below, if there is one of ours."""
        if len(self.app.screen_stack) > 2:
            self.dismiss(None)
        else:
            self.app.exit(0)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that steer are not there for viewers."""
        return self.control or action not in _STEERING


_STEERING = frozenset(key.action for key in KEYS if key.steers)
