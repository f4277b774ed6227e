"""Going in circles: a coder that repeats a call, a task whose state does not move."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

NUDGE_AT = 3
"""Equal calls with equal results in a row before the coder is told."""
STUCK_AT = 5
"""… before its turn ends."""

SAME_STATE_CHANGES_APPROACH = 2
SAME_STATE_STALLS = 3


class RepeatDetector:
    """Watches one turn for the same step again and again: same tools, same arguments, same results."""

    def __init__(self) -> None:
        self._last = b""
        self.count = 0
        """How many times in a row the last step has been seen."""

    def observe(self, parts: Iterable[str]) -> Literal["new", "nudge", "stuck"]:
        """Take in a finished step as its tool names, arguments and results."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
        key = digest.digest()
        self.count = self.count + 1 if key == self._last else 1
        self._last = key
        if self.count >= STUCK_AT:
            return "stuck"
        return "nudge" if self.count == NUDGE_AT else "new"


@dataclass(frozen=True)
class TaskPosition:
    """Where a task stands after an iteration: the workspace's hash and what is missing, in any order."""

    digest: str
    missing: frozenset[str]

    @classmethod
    def of(cls, digest: str, missing: Iterable[str]) -> "TaskPosition":
        return cls(digest, frozenset(" ".join(item.casefold().split()) for item in missing))


def times_seen_in_a_row(history: Iterable[TaskPosition]) -> int:
    """How many of the latest positions are equal."""
    latest: TaskPosition | None = None
    count = 0
    for position in history:
        count = count + 1 if position == latest else 1
        latest = position
    return count
