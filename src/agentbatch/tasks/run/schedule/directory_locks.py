"""Which directories tasks are at work in, and what another task would have to wait for."""

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple


class Conflict(NamedTuple):
    """What keeps a task from starting: others at work in one directory, or somewhere below it."""

    where: Literal["in", "below"]
    place: Path
    exclusive: bool
    """True: only those that work in the directory itself count, since the one that waits works in a copy."""


class DirectoryLocks:
    """Tasks in equal or nested directories wait for each other, except where both work in copies of their own.

    A task in a copy (`isolated`) still waits for one that works in the directory itself, and the other way round: a
    copy that is taken while somebody writes is torn. Each call takes as many steps as the path has parts.
    """

    def __init__(self) -> None:
        self._at_work: Counter[Conflict] = Counter()

    def hold(self, root: Path, isolated: bool) -> Conflict | None:
        """Something that a task in `root` has to wait for; None: it can start."""
        above = self.hold_above(root, isolated)
        below = Conflict("below", root, isolated)
        return above or (below if below in self._at_work else None)

    def hold_above(self, root: Path, isolated: bool) -> Conflict | None:
        """Something in `root` or above it that holds up every task in `root` or below it."""
        return next((hold for hold in _above(root, isolated) if hold in self._at_work), None)

    def is_held(self, hold: Conflict) -> bool:
        return hold in self._at_work

    def enter(self, root: Path, isolated: bool) -> None:
        self._at_work.update(_effects(root, isolated))

    def leave(self, root: Path, isolated: bool) -> list[Conflict]:
        """The task in `root` has ended: what no task has to wait for any more."""
        effects = _effects(root, isolated)
        self._at_work.subtract(effects)
        free = [hold for hold in effects if not self._at_work[hold]]
        for hold in free:
            del self._at_work[hold]
        return free


@lru_cache(maxsize=20_000)
def _above(root: Path, isolated: bool) -> tuple[Conflict, ...]:
    return tuple(Conflict("in", place, isolated) for place in (root, *root.parents))


@lru_cache(maxsize=20_000)
def _effects(root: Path, isolated: bool) -> tuple[Conflict, ...]:
    """What one task at work holds up."""
    kinds = (False,) if isolated else (False, True)
    return (
        *(Conflict("in", root, kind) for kind in kinds),
        *(Conflict("below", parent, kind) for parent in root.parents for kind in kinds),
    )
