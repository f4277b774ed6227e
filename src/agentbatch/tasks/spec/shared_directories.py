"""Which tasks can never run at the same time, because of the directories they work in. Pure."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path


def shared_directories(roots: Sequence[Path], isolated: Sequence[bool]) -> list[list[int]]:
    """Groups of tasks, by their places in `roots`, that are connected by equal or nested directories.

    Two tasks that both work in copies never conflict, whatever they are copies of.
    """
    at: dict[str, list[int]] = defaultdict(list)
    for place, path in enumerate(roots):
        at[str(path)].append(place)  # text: of ten thousand paths, each is looked up with all above it
    exclusive = {root for root, places in at.items() if not all(isolated[place] for place in places)}
    leader = {root: root for root in at}
    for root in at:
        for parent in _above(root):
            if parent in at and (root in exclusive or parent in exclusive):
                leader[_leader(leader, root)] = _leader(leader, parent)
    members: dict[str, list[str]] = defaultdict(list)
    for root in at:
        members[_leader(leader, root)].append(root)
    groups = [
        sorted(place for root in together for place in at[root])
        for together in members.values()
        if not exclusive.isdisjoint(together)
    ]
    return sorted(group for group in groups if len(group) > 1)


def _above(path: str) -> Iterator[str]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent


def _leader(leader: dict[str, str], root: str) -> str:
    while leader[root] != root:
        leader[root] = leader[leader[root]]
        root = leader[root]
    return root
