"""What is one for the whole process, and is set while engines work in it: several may, one after another or at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class WhileAny:
    """The first that comes sets it, the last that goes puts it back, whichever these are."""

    def __init__(self, set_it: Callable[[], Callable[[], None]]) -> None:
        """`set_it` gives what puts it back."""
        self._set_it = set_it
        self._lock = Lock()
        self._inside = 0
        self._put_back: Callable[[], None] = lambda: None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if not self._inside:
                self._put_back = self._set_it()
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._put_back()
