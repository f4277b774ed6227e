"""The clock of an event loop, which tests move on instead of waiting: what is timed ends then, and no sooner on a slow
machine."""

import asyncio


class MovedClock:
    """Of the running loop. Commands and servers of other processes do not notice."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._time, self._ahead = loop.time, 0.0
        loop.time = self._now  # type: ignore[method-assign]

    def _now(self) -> float:
        return self._time() + self._ahead

    def move_on(self, seconds: float) -> None:
        self._ahead += seconds
