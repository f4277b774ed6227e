"""A task's directory at home, and its way to a node and back: what is at home is the task's, what is on the node is
where it is worked on. Every coming home is a checkpoint."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.manifest import Manifest
from agentbatch.cluster.travel.side import Moved, Side, bring


class AwayMark:
    """On disk while a node may have work of a task that is not at home: a session that is killed leaves it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.left = path.exists()
        """By an earlier session."""
        self._set = self.left

    def set(self) -> None:
        if not self._set:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
            self._set = True

    def clear(self) -> None:
        if self._set:
            self._path.unlink(missing_ok=True)
            self._set = False


class Home(Protocol):
    """A task's directory at home. `there`: the same on a node."""

    @property
    def is_apart(self) -> bool:
        """The two are not one directory."""
        ...

    async def away(self, there: Side) -> None:
        """The node has it as it is at home."""
        ...

    async def back(self, there: Side) -> bool:
        """It is at home as the node has it: a checkpoint. False: some of it could not be brought."""
        ...


class SharedHome:
    """The node works in that very directory: nothing moves."""

    is_apart = False

    async def away(self, there: Side) -> None: ...

    async def back(self, there: Side) -> bool:
        return True


class MovedHome:
    """A directory that travels."""

    is_apart = True

    def __init__(
        self,
        root: Path,
        store: Path,
        keep_out: Sequence[Path],
        guarded: Sequence[Path],
        tell: Callable[[str], None],
    ) -> None:
        """See LocalSide. `tell`: what could not be brought, a sentence."""
        self._here: Side = LocalSide(root, store, keep_out, guarded=guarded, max_bytes=0)
        self._common: Manifest | None = None
        """What both have had last."""
        self._tell = tell
        self._told: set[str] = set()

    async def away(self, there: Side) -> None:
        self._moved(await bring(self._here, there))

    async def back(self, there: Side) -> bool:
        return self._moved(await bring(there, self._here, self._common))

    def _moved(self, moved: Moved) -> bool:
        self._common = moved.manifest
        for text in moved.problems:
            if text not in self._told:
                self._told.add(text)
                self._tell(text)
        return not moved.problems
