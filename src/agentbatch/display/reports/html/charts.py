"""The geometry of a page's charts, in units of its drawings; each says itself in words what it shows. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from agentbatch.runs.state.run_state import RunState
from agentbatch.runs.state.task_state import TaskState
from agentbatch.text import counted, duration

WIDTH, HEIGHT = 320, 120
"""Of the area in which a chart draws."""
MAX_COLUMNS = 12
"""Of the histogram; the last one has all that is more."""
MAX_POINTS = 200
"""Of a line."""


class Rect(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    kind: str
    """Its colour: a status, `other`, or empty."""
    label: str = ""
    """What stands below it."""
    number: int = 0


class Bars(NamedTuple):
    rects: list[Rect]
    words: str
    most: int


class Lines(NamedTuple):
    ended: str
    """Points of an SVG polyline: tasks that have ended, over time."""
    completed: str
    most: int
    seconds: float
    words: str


def share_bars(shares: Sequence[tuple[str, int]]) -> Bars:
    """One bar, divided as the tasks are by status."""
    total = sum(number for _, number in shares)
    rects, x = [], 0.0
    for status, number in shares:
        width = WIDTH * number / total
        rects.append(Rect(x, 0, width, 24, status.replace(" ", "-"), status, number))
        x += width
    words = ", ".join(f"{number:,} {status}" for status, number in shares)
    return Bars(rects, f"{counted(total, 'task')}: {words}.", total)


def iteration_bars(tasks: Sequence[TaskState]) -> Bars:
    """How many iterations tasks took that have ended: completed ones below, others above."""
    found = {
        kind: Counter(min(task.iteration, MAX_COLUMNS) for task in tasks if is_of(task))
        for kind, is_of in (("completed", _completed), ("other", _ended_otherwise))
    }
    sums = Counter[int]()
    for counts in found.values():
        sums.update(counts)
    if not sums:
        return Bars([], "No task has ended.", 0)
    most, last = max(sums.values()), max(sums)
    step = WIDTH / (last + 1)
    rects = []
    for place in range(last + 1):
        y = float(HEIGHT)
        for kind, counts in found.items():
            height = HEIGHT * counts[place] / most
            y -= height
            label = f"{place}{'+' if place == MAX_COLUMNS else ''}" if kind == "completed" else ""
            rects.append(Rect(place * step + step * 0.1, y, step * 0.8, height, kind, label, sums[place]))
    words = ", ".join(
        f"{counted(number, 'task')} after {counted(place, 'iteration')}{' or more' if place == MAX_COLUMNS else ''}"
        for place, number in sorted(sums.items())
    )
    return Bars(rects, f"{words[:1].upper()}{words[1:]}.", most)


def _completed(task: TaskState) -> bool:
    return task.status == "completed"


def _ended_otherwise(task: TaskState) -> bool:
    return task.finished and task.status != "completed"


def ended_lines(state: RunState, now: float) -> Lines | None:
    """None: fewer than two tasks have ended, or nobody knows when the run began."""
    tasks = state.tasks.values()
    ended = sorted(task.finished_at for task in tasks if task.finished_at is not None)
    completed = sorted(
        task.finished_at for task in tasks if task.finished_at is not None and task.status == "completed"
    )
    starts = [task.started_at for task in tasks if task.started_at is not None]
    begun = min((*starts, *((state.info.ts,) if state.info and state.info.ts else ())), default=0.0)
    end = max((*ended, state.finished.ts if state.finished else now), default=0.0)
    if len(ended) < 2 or not begun or end <= begun:
        return None
    words = (
        f"{counted(len(ended), 'task')} ended within {duration(end - begun)}; half of them after "
        f"{duration(ended[len(ended) // 2] - begun)}."
    )
    points = [_points(moments, begun, end, len(ended)) for moments in (ended, completed)]
    return Lines(points[0], points[1], len(ended), end - begun, words)


def _points(moments: Sequence[float], begun: float, end: float, most: int) -> str:
    """At most MAX_POINTS, evenly over the time."""
    found = []
    for place in range(MAX_POINTS + 1):
        reached = bisect_right(moments, begun + (end - begun) * place / MAX_POINTS)
        found.append(f"{WIDTH * place / MAX_POINTS:.1f},{HEIGHT - HEIGHT * reached / most:.1f}")
    return " ".join(found)


def bar_widths(values: Sequence[float | None]) -> list[float]:
    """In percent of the longest; 0 of what is unknown, and at least a hair of what is not nothing."""
    longest = max((value for value in values if value), default=0.0)
    return [max(0.5, 100 * value / longest) if value and longest else 0.0 for value in values]
