"""Puts requests that may go together into packs, as they come. Pure."""

from agentbatch.requests.batch.executor import Item
from agentbatch.requests.batch.packing import frame

MAX_OPEN = 50
"""Packs that wait for more items at once; then the one that has waited longest goes as it is."""

Pack = tuple[Item, ...]


class Packer:
    """`size` 1: every request is a pack of its own."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._open: dict[str, list[Item]] = {}

    def add(self, item: Item) -> Pack | None:
        """The pack that goes now: a full one, a request that goes alone, or one that has waited for too long."""
        common = frame(item.request) if self._size > 1 else None
        if common is None:
            return (item,)
        begun = self._open.setdefault(common, [])
        begun.append(item)
        if len(begun) == self._size:
            return tuple(self._open.pop(common))
        return self.pop() if len(self._open) > MAX_OPEN else None

    def pop(self) -> Pack | None:
        """The pack that has waited longest, as it is; None when there is none."""
        if not self._open:
            return None
        return tuple(self._open.pop(next(iter(self._open))))

    def __len__(self) -> int:
        """Packs that wait for more items."""
        return len(self._open)
