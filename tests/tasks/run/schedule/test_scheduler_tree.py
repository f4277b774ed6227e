"""Large plans with random failures, run in virtual time and compared with a plain simulation of what must happen."""

import asyncio
import random
import selectors
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentbatch.tasks.run.schedule.scheduler import Outcome, Scheduler
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.tasks.spec.task import Task


class _Jumping(selectors.DefaultSelector):
    """Where a loop would sleep, its clock jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "the scheduler waits for something that never comes"
        self.now += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Exact for whole seconds up to 10 million: beyond, the loop's resolution of 1 ns is lost."""

    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


@dataclass
class Case:
    tasks: list[PlannedTask]
    seconds: dict[str, int]
    fails: set[str]


@dataclass
class Course:
    """What happened: starts in order, the tasks that were skipped, and when the last one ended."""

    starts: list[tuple[float, str]] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    end: float = 0.0


Shape = Callable[[random.Random, int], tuple[tuple[int, ...], str]]
"""The dependencies and the directory of the n-th task."""

REST = 1000 + 1 / 32
"""Seconds between starts: no whole number, so that no task ends at the moment of the next start, where both orders are
right."""

COUNTS = [300, pytest.param(1000, marks=pytest.mark.slow)]
"""Tasks: the time of the plain model grows with their square."""


def below_its_parent(chance: random.Random, n: int) -> tuple[tuple[int, ...], str]:
    return (((n - 1) // 3,) if n else ()), f"d{n}"


def random_graph(chance: random.Random, n: int) -> tuple[tuple[int, ...], str]:
    return tuple({chance.randrange(n) for _ in range(chance.randrange(4))}) if n else (), f"d{n}"


def few_directories(chance: random.Random, n: int) -> tuple[tuple[int, ...], str]:
    depth = chance.randrange(4)
    folder = "/".join(str(chance.randrange(3)) for _ in range(depth))
    return ((chance.randrange(n),) if n and chance.random() < 0.3 else ()), folder


def tree_of_directories(chance: random.Random, n: int) -> tuple[tuple[int, ...], str]:
    """The n-th folder depends on those directly in it."""
    path = [n]
    while path[0]:
        path.insert(0, (path[0] - 1) // 3)
    return tuple(range(3 * n + 1, 3 * n + 4)), "/".join(map(str, path))


def make_case(shape: Shape, count: int, seed: int, failures: float, isolated: float = 0.0) -> Case:
    chance = random.Random(seed)
    tasks = []
    for n in range(count):
        needs, folder = shape(chance, n)
        tasks.append(
            PlannedTask(
                id=f"t{n}",
                index=n,
                task=Task(first_prompt="p", priority=chance.randrange(3)),
                root=Path("/base") / folder,
                max_iterations=1,
                timeout=None,
                depends_on=tuple(f"t{need}" for need in needs if need < count),
                isolation="copy" if chance.random() < isolated else "none",
            )
        )
    return Case(
        tasks,
        {task.id: chance.randrange(1, 10_000) for task in tasks},
        {task.id for task in tasks if chance.random() < failures},
    )


def real_course(case: Case, concurrent: int, rest: float) -> Course:
    course = Course()

    async def run_task(task: PlannedTask) -> Outcome:
        clock = asyncio.get_running_loop().time
        course.starts.append((clock(), task.id))
        await asyncio.sleep(case.seconds[task.id])
        course.end = clock()
        return "failed" if task.id in case.fails else "completed"

    def skip(task: PlannedTask, dependency: str) -> None:
        assert dependency in task.depends_on
        assert dependency in case.fails | course.skipped
        assert task.id not in course.skipped
        course.skipped.add(task.id)

    async def run() -> None:
        plan = Plan(tuple(case.tasks), ())
        scheduler = Scheduler(plan, run_task, max_concurrent=concurrent, rest=rest, skip=skip)
        await scheduler.run()
        assert scheduler.pending == []

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(run())
    return course


def rivals_of(tasks: list[PlannedTask]) -> dict[str, set[str]]:
    """Who may not run beside whom: tasks whose directories lie in each other, unless both work in a copy."""
    places = [(task.id, f"{task.root}/", task.isolation == "copy") for task in tasks]
    return {
        name: {
            other
            for other, there, copied in places
            if (here.startswith(there) or there.startswith(here)) and not (copy and copied)
        }
        for name, here, copy in places
    }


def plain_course(case: Case, concurrent: int, rest: float) -> Course:
    """At each moment, the most urgent task that may start is started."""
    course = Course()
    waiting = sorted(case.tasks, key=lambda task: (-task.task.priority, task.index))
    rivals = rivals_of(case.tasks)
    running: dict[str, float] = {}
    """When each ends."""
    completed: set[str] = set()
    lost: set[str] = set()
    now, next_start = 0.0, 0.0
    while True:
        for task_id in [task_id for task_id, end in running.items() if end == now]:
            del running[task_id]
            course.end = now
            next_start = now + rest if concurrent == 1 else next_start
            (lost if task_id in case.fails else completed).add(task_id)
        while hopeless := {task.id for task in waiting if not lost.isdisjoint(task.depends_on)}:
            waiting = [task for task in waiting if task.id not in hopeless]
            lost |= hopeless
            course.skipped |= hopeless
        first = None
        if len(running) < concurrent:
            first = next(
                (
                    task
                    for task in waiting
                    if completed.issuperset(task.depends_on) and rivals[task.id].isdisjoint(running)
                ),
                None,
            )
        if first is not None and now >= next_start:
            waiting.remove(first)
            running[first.id] = now + case.seconds[first.id]
            course.starts.append((now, first.id))
            next_start = now + rest
            continue
        moments = [*running.values()]
        if first is not None:
            moments.append(next_start)
        if not moments:
            assert waiting == []
            return course
        now = min(moments)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("concurrent", [1, 3, 20, 1000])
@pytest.mark.parametrize("shape", [below_its_parent, random_graph, few_directories, tree_of_directories])
def test_a_tree_with_failures_runs_as_the_plain_model_says(shape: Shape, concurrent: int, count: int) -> None:
    case = make_case(shape, count, seed=concurrent, failures=0.05)
    assert real_course(case, concurrent, 0.0) == plain_course(case, concurrent, 0.0)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    ("shape", "seed", "failures", "isolated", "rest"),
    [
        (tree_of_directories, 1, 0.0, 0.0, 0.0),
        (tree_of_directories, 2, 0.004, 0.5, 0.0),
        (few_directories, 3, 0.1, 0.5, 0.0),
        (few_directories, 4, 0.0, 1.0, 0.0),
        (few_directories, 5, 0.02, 0.2, REST),
        (random_graph, 6, 0.0, 0.0, REST),
        (below_its_parent, 7, 0.3, 0.0, 0.0),
    ],
)
def test_with_copies_and_rests(
    shape: Shape, seed: int, failures: float, isolated: float, rest: float, count: int
) -> None:
    case = make_case(shape, count, seed, failures, isolated)
    for concurrent in (1, 2, 8):
        assert real_course(case, concurrent, rest) == plain_course(case, concurrent, rest)


def test_one_at_a_time_takes_as_long_as_all_together() -> None:
    case = make_case(random_graph, 1000, 11, failures=0.0)
    course = real_course(case, 1, 0.0)
    assert course.end == sum(case.seconds.values())
    assert len(course.starts) == 1000
