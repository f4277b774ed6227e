"""Whether a task gets anywhere from iteration to iteration. Circles within a turn: loops.py."""

from collections.abc import Iterable
from dataclasses import dataclass

SAME_STATE_CHANGES_APPROACH = 2
SAME_STATE_STALLS = 3


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
