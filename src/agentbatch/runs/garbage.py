"""When Python looks for garbage: objects that hold each other."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentbatch.runs.process_wide import WhileAny

NEW_OBJECTS = 10_000
"""That are there before the youngest are looked through; Python's own 700 is a task's turn or two."""


@contextmanager
def gc_paused() -> Iterator[None]:
    """Python does not look for garbage meanwhile: ten thousand tasks are many objects and no garbage, and looking for
    some took four times as long as making them. What is imported stays too: looking there doubles the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not _seen_to():  # what was made counts as old, or all of it would be looked through at once
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _look_seldom() -> Callable[[], None]:
    if _seen_to():
        return lambda: None
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *before[1:])

    def as_before() -> None:
        gc.set_threshold(*before)
        gc.unfreeze()

    return as_before


gc_seldom = WhileAny(_look_seldom)
"""A run's engine is at work: what was imported is not looked through again and again, and the rest seldom, which took a
tenth of its time. Nothing is changed where somebody in this process has seen to that."""


def _seen_to() -> bool:
    """Whether this process looks seldom already, or has set objects apart: those are counted only where it must be,
    since counting goes through all of them (40 ms where half a million are)."""
    return gc.get_threshold()[0] >= NEW_OBJECTS or bool(gc.get_freeze_count())
