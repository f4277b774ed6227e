"""When a copy serves for one more check."""

from dataclasses import dataclass
from typing import Any

import pytest

from agentbatch.tasks.evaluator.checks.own.copies import Copies, is_untouched
from agentbatch.workspace.workspace import CommandResult, FileEntry, Snapshot

FILES = {"a": FileEntry("x", 1, "a", executable=False)}
LEFT_OUT = {".cache/a": "1", "__pycache__/": "1"}


@pytest.mark.parametrize(
    ("after", "untouched"),
    [
        (Snapshot(FILES, left_out=LEFT_OUT), True),
        (Snapshot(FILES, left_out={**LEFT_OUT, "__pycache__/": "2"}), True),
        (Snapshot(FILES, left_out={**LEFT_OUT, ".cache/a": "2"}), False),
        (Snapshot(FILES, left_out={**LEFT_OUT, ".cache/b": "1"}), False),
        (Snapshot({}, left_out=LEFT_OUT), False),
        (Snapshot(FILES, truncated=True, left_out=LEFT_OUT), False),
        (Snapshot(FILES, left_out=LEFT_OUT, left_out_whole=False), False),
    ],
)
def test_whether_a_check_has_changed_it(after: Snapshot, untouched: bool) -> None:
    assert is_untouched(Snapshot(FILES, left_out=LEFT_OUT), after) is untouched


@dataclass
class Place:
    """A workspace that counts."""

    listing: str = "as it was"
    copies: int = 0
    looks: int = 0

    async def fork(self) -> "Place":
        self.copies += 1
        return self

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        return Snapshot(FILES)

    async def run(self, command: str, timeout: float) -> CommandResult:
        self.looks += 1
        return CommandResult(0, self.listing, False, False, 0.1, "")

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("checks", "changing", "copies", "looks"), [(1, False, 1, 0), (3, False, 1, 3), (3, True, 3, 4)]
)
async def test_a_copy_is_looked_at_only_where_another_check_comes(
    checks: int, changing: bool, copies: int, looks: int
) -> None:
    place: Any = Place()
    async with Copies(place, checks) as all_copies:
        for number in range(checks):
            await all_copies.take()
            place.listing = f"{number}" if changing else place.listing
    assert (place.copies, place.looks) == (copies, looks)
