"""Which tasks can never run at the same time, because of the directories they work in. Pure."""

import heapq
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from agentbatch.tasks.spec.plan import PlannedTask


def shared_directories(roots: Sequence[Path], isolated: Sequence[bool]) -> list[list[int]]:
    """Groups of tasks, by their places in `roots`, that are connected by equal or nested directories.

    Two tasks that both work in copies never conflict, whatever they are copies of.
    """
    at: dict[str, list[int]] = defaultdict(list)
    for place, path in enumerate(roots):
        at[str(path)].append(place)  # text, which is looked up faster
    exclusive = {root for root, places in at.items() if not all(isolated[place] for place in places)}
    leader = {root: root for root in at}

    @cache  # ten thousand often lie in one folder
    def around(folder: str) -> list[str]:
        return [place for place in (folder, *_above(folder)) if place in at]

    for root in at:
        for parent in around(os.path.dirname(root)):
            if root != parent and (root in exclusive or parent in exclusive):
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


def turns(tasks: Sequence[PlannedTask], groups: Sequence[Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """By the ids of tasks that take turns: those of which each has to come behind.

    `groups`, as `shared_directories` finds them. Attempts work in copies, so no lock keeps them from each other: but
    what is brought back of one task is what the next one in that directory has to begin with. So where such a task is
    among them, they take turns in their order, and each behind what it depends on.
    """
    by_id = {task.id: task for task in tasks}
    found: dict[str, Sequence[str]] = {}
    taking = [group for group in groups if any(by_id[name].bring_back for name in group)]
    place = {name: number for number, name in enumerate(_in_order(tasks))} if taking else {}
    for group in taking:
        latest: dict[str, str] = {}
        below: dict[str, dict[str, None]] = defaultdict(dict)
        for name in sorted(group, key=place.__getitem__):
            root = str(by_id[name].root)
            above = list(_above(root))
            inside = below.pop(root, {})
            found[name] = [latest[near] for near in (root, *above, *inside) if near in latest]
            for near in inside:  # who comes behind this one comes behind them too
                latest.pop(near, None)
            latest[root] = name
            for parent in above:
                below[parent][root] = None
    return found


def _in_order(tasks: Sequence[PlannedTask]) -> Iterator[str]:
    """Each behind what it depends on; of those that could come next, the most urgent first, then that of the file."""
    urgency = {task.id: (-task.task.priority, task.index, task.id) for task in tasks}
    sorter = TopologicalSorter({task.id: task.depends_on for task in tasks})
    sorter.prepare()
    ready = [urgency[name] for name in sorter.get_ready()]
    heapq.heapify(ready)
    while ready:
        name = heapq.heappop(ready)[-1]
        yield name
        sorter.done(name)
        for freed in sorter.get_ready():
            heapq.heappush(ready, urgency[freed])


def _above(path: str) -> Iterator[str]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent


def _leader(leader: dict[str, str], root: str) -> str:
    while leader[root] != root:
        leader[root] = leader[leader[root]]
        root = leader[root]
    return root
