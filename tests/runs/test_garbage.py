"""When Python looks for garbage while an engine is at work: seldom, and as before where the process has seen to it."""

import gc
from collections.abc import Iterator

import pytest

from agentbatch.runs.garbage import NEW_OBJECTS, gc_seldom


@pytest.fixture
def as_python_starts() -> Iterator[None]:
    """Nothing is set apart, and the thresholds are Python's own. Nothing is looked for meanwhile."""
    before = gc.get_threshold()
    gc.disable()
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)
    gc.freeze()
    gc.enable()


@pytest.mark.usefixtures("as_python_starts")
def test_what_was_there_is_set_apart_and_comes_back() -> None:
    with gc_seldom():
        with gc_seldom():  # another engine of this process
            pass
        assert gc.get_threshold() == (NEW_OBJECTS, 10, 10)
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == (700, 10, 10)
    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("as_python_starts")
def test_what_somebody_has_set_apart_stays() -> None:
    gc.freeze()
    with gc_seldom():
        assert gc.get_threshold() == (700, 10, 10)
    assert gc.get_freeze_count() > 0
