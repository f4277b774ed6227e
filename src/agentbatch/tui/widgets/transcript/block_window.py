"""Which part of a transcript stands on the screen. Pure."""

from dataclasses import dataclass

MAX_MOUNTED = 200
"""Blocks that are widgets at the same time: each takes its time at every layout."""

PAGE = 60
"""Blocks that come at once."""

FOLLOWED = 80
"""Blocks that are there while the end is followed: each that comes lays all of them out."""


@dataclass(frozen=True)
class Window:
    """The blocks from `start` up to, not with, `end`."""

    start: int = 0
    end: int = 0

    def at_end(self, total: int) -> "Window":
        """The last page."""
        return Window(max(0, total - PAGE), total)

    def earlier(self) -> "Window":
        """With a page more above; what is too much goes below."""
        start = max(0, self.start - PAGE)
        return Window(start, min(self.end, start + MAX_MOUNTED))

    def later(self, total: int) -> "Window":
        """With a page more below; what is too much goes above."""
        end = min(total, self.end + PAGE)
        return Window(max(self.start, end - MAX_MOUNTED), end)

    def grown(self, before: int, total: int, *, follow: bool) -> "Window":
        """After blocks have come behind `before`: it keeps showing the end if it did. Who does not follow keeps what
        is being read."""
        if self.end < before and not follow:
            return self
        if not follow:
            return Window(self.start, max(self.end, min(total, self.start + MAX_MOUNTED)))
        return Window(max(self.start, total - FOLLOWED), total)

    def around(self, place: int, total: int) -> "Window":
        """One that holds `place`: itself, or a page around it."""
        if self.start <= place < self.end:
            return self
        start = max(0, min(place - PAGE // 2, total - PAGE))
        return Window(start, min(total, start + PAGE))
