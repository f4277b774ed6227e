"""What this terminal can do, and whether somebody is at it."""

import os
import sys

from agentbatch.config import Settings
from agentbatch.errors import UserError


def can_draw() -> bool:
    """Whether this terminal is one for an app: input and output, and a cursor that moves."""
    if "TEXTUAL_DRIVER" in os.environ:  # served in a browser
        return True
    return (
        sys.stdin.isatty()
        and sys.stdout.isatty()
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")
    )


def asks_for_mode(settings: Settings) -> bool:
    """Nobody has said how to run, and somebody is there to be asked."""
    here = sys.stdin.isatty() and sys.stdout.isatty()
    return here and settings.mode is None and settings.display == "auto" and not settings.dry_run


def check_terminal(instead: str) -> None:
    """Raises UserError, which names a command that does without, where there is no terminal."""
    if not can_draw():
        raise UserError(f"This needs a terminal; without one: {instead}.")
