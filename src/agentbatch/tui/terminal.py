"""Noticing that the terminal has gone: Textual goes on without one, its writer dead, and waits for it for ever."""

import os
import termios
import threading
import time
from collections.abc import Callable

LOOK_EVERY = 0.5
"""Seconds."""


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
            time.sleep(LOOK_EVERY)
        act()

    threading.Thread(target=watch, name="agentbatch-terminal", daemon=True).start()
