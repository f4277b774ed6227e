"""A task's directory at home, and its way to a node and back: what is at home is the task's, what is on the node is
where it is worked on. Every coming home is a checkpoint."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from agentbatch.cluster.hands import SIDE
from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.manifest import Manifest
from agentbatch.cluster.travel.side import Side, bring


class Asked(Protocol):
    async def ask(self, target: int, member: str, *given: Any) -> Any: ...


class FarSide:
    """The directory on the node, as `Side` has it."""

    def __init__(self, there: Asked) -> None:
        self._there = there

    async def scan(self) -> Manifest:
        found: Manifest = await self._there.ask(SIDE, "scan")
        return found

    async def missing(self, digests: Sequence[str]) -> list[str]:
        found: list[str] = await self._there.ask(SIDE, "missing", list(digests))
        return found

    async def give(self, digests: Sequence[str], at: int) -> bytes:
        part: bytes = await self._there.ask(SIDE, "give", list(digests), at)
        return part

    async def take(self, pack: bytes) -> None:
        await self._there.ask(SIDE, "take", pack)

    async def place(self, manifest: Manifest, since: Manifest | None = None) -> list[str]:
        problems: list[str] = await self._there.ask(SIDE, "place", manifest, since)
        return problems


class Home(Protocol):
    """A task's directory at home."""

    async def away(self, there: Asked) -> None:
        """The node has it as it is at home."""
        ...

    async def back(self, there: Asked) -> None:
        """It is at home as the node has it: a checkpoint."""
        ...


class SharedHome:
    """The node works in that very directory: nothing moves."""

    async def away(self, there: Asked) -> None: ...

    async def back(self, there: Asked) -> None: ...


class MovedHome:
    """A directory that travels."""

    def __init__(self, root: Path, store: Path, keep_out: Sequence[Path]) -> None:
        self._here: Side = LocalSide(root, store, keep_out)
        self._common: Manifest | None = None
        """What both have had last."""

    async def away(self, there: Asked) -> None:
        moved = await bring(self._here, FarSide(there))
        self._common = moved.manifest

    async def back(self, there: Asked) -> None:
        moved = await bring(FarSide(there), self._here, self._common)
        self._common = moved.manifest
