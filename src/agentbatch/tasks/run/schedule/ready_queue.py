"""Tasks that could start now, the most urgent first, behind the directories that they have to wait for."""

import heapq
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from agentbatch.runs.events import attempt_number
from agentbatch.tasks.run.schedule.directory_locks import Conflict, DirectoryLocks
from agentbatch.tasks.spec.plan import PlannedTask

Order = tuple[int, int, int]
"""The smaller one comes first."""


def order(task: PlannedTask) -> Order:
    """Higher priority first; the first attempt at each task before the second at any, which may not be needed; then the
    order of the file."""
    return -task.task.priority, attempt_number(task.id) if task.attempt_of else 0, task.index


class _Waiting(NamedTuple):
    order: Order
    number: int
    """Of the entry, ever rising: entries of one order are never compared any further, and a task that was taken out and
    put in again is not taken for its old entry."""
    task: PlannedTask


_Lane = tuple[Path, bool]
"""Directory, and whether tasks work in copies: tasks of one lane are held by the same things."""


class _Entry(NamedTuple):
    """The head of a lane, or of all lanes that stand behind a hold, as it was when the entry was made."""

    order: Order
    number: int
    what: _Lane | Conflict


class ReadyQueue:
    """Gives the most urgent task that no task at work holds up.

    `first` is about O(log n) for each task that starts: of the tasks in one directory only the most urgent is looked
    at, and one that is held up goes behind its hold, with all that stand there, until that is free. An entry that is no
    longer the head of its lane is thrown away when it is met.
    """

    def __init__(self) -> None:
        self._occupied = DirectoryLocks()
        self._lanes: dict[_Lane, list[_Waiting]] = defaultdict(list)
        self._waiting: dict[str, _Waiting] = {}
        """By task id."""
        self._open: list[_Entry] = []
        self._behind: dict[Conflict, list[_Entry]] = {}
        self._made = 0

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._waiting

    def add(self, task: PlannedTask) -> None:
        waiting = _Waiting(order(task), self._next_number(), task)
        self._waiting[task.id] = waiting
        lane = _lane(task)
        heapq.heappush(self._lanes[lane], waiting)
        if self._head(lane) is waiting:
            self._offer(lane)

    def remove(self, task_id: str) -> None:
        waiting = self._waiting[task_id]
        lane = _lane(waiting.task)
        was_head = self._head(lane) is waiting
        del self._waiting[task_id]
        if was_head and self._head(lane) is not None:
            self._offer(lane)

    def first(self) -> PlannedTask | None:
        """The task to start next; it stays in the queue. None: nothing can start before a task at work ends."""
        while self._open:
            entry = self._open[0]
            if isinstance(entry.what, Conflict):
                heapq.heappop(self._open)
                self._open_hold(entry, entry.what)
                continue
            head = self._head(entry.what)
            if head is None or head.order != entry.order:
                heapq.heappop(self._open)  # Another has become the head since, and was offered then.
                continue
            hold = self._occupied.hold(*entry.what)
            if hold is None:
                return head.task
            heapq.heappop(self._open)
            heapq.heappush(self._behind.setdefault(hold, []), entry)
        return None

    def start(self, task: PlannedTask) -> None:
        """The task that `first` gave is at work from now on."""
        self.remove(task.id)
        self._occupied.enter(*_lane(task))

    def end(self, task: PlannedTask) -> None:
        """A task that was started is over."""
        for hold in self._occupied.leave(*_lane(task)):
            self._offer_hold(hold)

    def _head(self, lane: _Lane) -> _Waiting | None:
        waiting = self._lanes[lane]
        while waiting and self._waiting.get(waiting[0].task.id) is not waiting[0]:
            heapq.heappop(waiting)
        if waiting:
            return waiting[0]
        del self._lanes[lane]
        return None

    def _offer(self, lane: _Lane) -> None:
        head = self._lanes[lane][0]
        heapq.heappush(self._open, _Entry(head.order, self._next_number(), lane))

    def _offer_hold(self, hold: Conflict) -> None:
        behind = self._behind.get(hold)
        if behind:
            heapq.heappush(self._open, _Entry(behind[0].order, self._next_number(), hold))
        else:
            self._behind.pop(hold, None)

    def _open_hold(self, entry: _Entry, hold: Conflict) -> None:
        """Let the first of those behind a hold out, unless it holds again: then its end offers them again."""
        behind = self._behind.get(hold)
        if not behind or self._occupied.is_held(hold) or behind[0].order != entry.order:
            return
        above = self._occupied.hold_above(hold.place, hold.exclusive) if hold.where == "in" else None
        if above is not None:  # That holds them all: they move together.
            heapq.heappush(self._behind.setdefault(above, []), entry)
            return
        heapq.heappush(self._open, heapq.heappop(behind))
        self._offer_hold(hold)

    def _next_number(self) -> int:
        self._made += 1
        return self._made


def _lane(task: PlannedTask) -> _Lane:
    return task.root, task.isolation != "none"
