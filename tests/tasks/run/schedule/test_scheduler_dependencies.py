"""What starts after what, and what becomes of the rest when something fails, is cancelled, held or tried again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agentbatch.tasks.run.schedule.scheduler import Outcome, Scheduler
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.tasks.spec.task import Task


def plan(folders: dict[str, str] | None = None, **depends_on: str) -> Plan:
    """`c="a b"`: the task c depends on a and b. Each has a directory of its own unless `folders` says otherwise."""
    tasks = [
        Task(id=name, dir=(folders or {}).get(name, name), first_prompt="p", depends_on=tuple(needs.split()))
        for name, needs in depends_on.items()
    ]
    return make_plan(tasks, Path("/base/task.json"), max_iterations=1)


class Work:
    """A scheduler whose tasks end when they are told how."""

    def __init__(self, made: Plan, concurrent: int = 10, ended: dict[str, bool] | None = None) -> None:
        self.by_id = {task.id: task for task in made.tasks}
        self.ends: dict[str, asyncio.Future[Outcome]] = {}
        self.started: list[str] = []
        self.skipped: list[tuple[str, str]] = []
        self.scheduler = Scheduler(
            made,
            self._run,
            max_concurrent=concurrent,
            skip=lambda t, d: self.skipped.append((t.id, d)),
            ended=ended,
        )
        self.run = asyncio.ensure_future(self.scheduler.run())

    async def _run(self, task: PlannedTask) -> Outcome:
        self.started.append(task.id)
        self.ends[task.id] = asyncio.get_running_loop().create_future()
        return await self.ends[task.id]

    async def end(self, **outcomes: Outcome) -> None:
        for name, outcome in outcomes.items():
            self.ends.pop(name).set_result(outcome)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    @property
    def pending(self) -> list[str]:
        return [task.id for task in self.scheduler.pending]


async def begun(*args: object, **kwargs: object) -> Work:
    work = Work(*args, **kwargs)  # type: ignore[arg-type]
    await work.settle()
    return work


async def test_a_task_starts_when_all_it_depends_on_is_completed() -> None:
    work = await begun(plan(a="", b="", c="a b", d="c", e=""))
    assert work.started == ["a", "b", "e"]
    assert work.pending == ["c", "d"]
    assert [task.id for task in work.scheduler.running] == ["a", "b", "e"]
    await work.end(a="completed")
    assert work.started == ["a", "b", "e"]
    await work.end(b="completed")
    assert work.started == ["a", "b", "e", "c"]
    await work.end(c="completed", e="failed")
    await work.end(d="completed")
    await work.run
    assert work.skipped == []


async def test_a_failure_skips_what_depends_on_it_and_names_the_nearest() -> None:
    work = await begun(plan(a="", b="a", c="b", d="x", x="", e="c x"))
    await work.end(a="failed", x="completed")
    assert work.skipped == [("b", "a"), ("c", "b"), ("e", "c")]
    assert work.started == ["a", "x", "d"]
    await work.end(d="completed")
    await work.run
    assert work.pending == []


async def test_one_directory_and_a_dependency_against_the_order_of_the_file() -> None:
    work = await begun(plan({"a": "x", "b": "x", "c": "x/y"}, a="b", b="c", c=""))
    await work.end(c="completed")
    await work.end(b="completed")
    await work.end(a="completed")
    await work.run
    assert work.started == ["c", "b", "a"]


async def test_what_an_interruption_met_leaves_its_dependents_pending() -> None:
    work = await begun(plan(a="", b="a", c="b"))
    await work.end(a="interrupted")
    await work.run
    assert (work.pending, work.skipped) == (["b", "c"], [])


@pytest.mark.parametrize(
    ("stop", "skipped", "pending"),
    [
        (lambda work: work.scheduler.drain(), [("c", "b")], ["d"]),
        (lambda work: work.scheduler.cancel(), [], ["c", "d"]),
    ],
)
async def test_after_draining_failures_are_told_and_the_rest_is_pending(
    stop: Callable[[Work], None], skipped: list[tuple[str, str]], pending: list[str]
) -> None:
    work = await begun(plan(a="", b="", c="b", d="a"))
    stop(work)
    await work.settle()
    if not work.run.done():
        await work.end(a="completed", b="failed")
    await work.run
    assert work.started == ["a", "b"]
    assert (work.skipped, work.pending) == (skipped, pending)


async def test_tasks_that_are_over_already() -> None:
    made = plan(a="", b="a", c="", d="c", e="d", f="b e", g="b")
    work = await begun(made, ended={"a": True, "c": False, "f": True})
    assert work.started == ["b"]
    assert work.skipped == [("d", "c"), ("e", "d")]
    await work.end(b="completed")
    await work.end(g="completed")
    await work.run
    assert work.started == ["b", "g"]


async def test_cancelling_a_task() -> None:
    work = await begun(plan(a="", b="", c="b", d="a", e=""), 3)
    assert work.scheduler.cancel_task("a") == "running"
    assert work.scheduler.cancel_task("c") == "pending"
    assert work.scheduler.cancel_task("c") == "unknown"
    assert work.scheduler.cancel_task("nobody") == "unknown"
    assert work.skipped == []  # The one who cancels has the first word.
    await work.settle()
    assert work.skipped == [("d", "a")]
    await work.end(b="completed", e="completed")
    await work.run
    assert work.scheduler.cancel_task("b") == "unknown"
    assert work.started == ["a", "b", "e"]


async def test_a_pending_task_that_is_cancelled_takes_its_dependents_with_it() -> None:
    work = await begun(plan(a="", b="", c="b", d="c"), 1)
    assert work.scheduler.cancel_task("b") == "pending"
    await work.settle()
    assert work.skipped == [("c", "b"), ("d", "c")]
    await work.end(a="completed")
    await work.run
    assert work.started == ["a"]


def before_its_first_step(work: Work, act: Callable[[], object]) -> list[object]:
    """Acts when a task has been started and does not know it yet; what that gave comes into the list."""
    gave: list[object] = []

    def look() -> None:
        if work.scheduler.running:
            gave.append(act())
        else:
            asyncio.get_running_loop().call_soon(look)

    look()
    return gave


async def test_cancelled_between_its_start_and_its_first_step() -> None:
    work = Work(plan(a="", b="a"))
    gave = before_its_first_step(work, lambda: work.scheduler.cancel_task("a"))
    await work.run
    assert gave == ["pending"]
    assert work.started == []
    assert work.skipped == [("b", "a")]


async def test_stopped_between_its_start_and_its_first_step() -> None:
    work = Work(plan(a="", b="a"))
    before_its_first_step(work, work.scheduler.cancel)
    await work.run
    assert (work.started, work.pending) == ([], ["a", "b"])


async def test_pausing_starts_nothing_and_does_not_end_the_run() -> None:
    work = await begun(plan(a="", b="a"))
    work.scheduler.pause()
    await work.end(a="completed")
    assert (work.started, work.run.done()) == (["a"], False)
    work.scheduler.resume()
    await work.settle()
    assert work.started == ["a", "b"]
    await work.end(b="completed")
    await work.run


async def test_draining_ends_a_paused_run() -> None:
    work = await begun(plan(a="", b="a"))
    work.scheduler.pause()
    await work.end(a="completed")
    work.scheduler.drain()
    await work.run
    assert work.pending == ["b"]


async def test_concurrency_can_be_changed() -> None:
    work = await begun(plan(a="", b="", c="", d="", e=""), 1)
    work.scheduler.set_concurrency(3)
    await work.settle()
    assert work.started == ["a", "b", "c"]
    work.scheduler.set_concurrency(1)
    await work.end(a="completed", b="completed")
    assert work.started == ["a", "b", "c"]
    await work.end(c="completed")
    assert work.started == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="one at least"):
        work.scheduler.set_concurrency(0)
    await work.end(d="completed")
    await work.end(e="completed")
    await work.run


async def test_a_retry_runs_again_and_serves_those_that_still_wait() -> None:
    work = await begun(plan(a="", b="a", c="a x", x=""))
    await work.end(a="failed")
    assert work.skipped == [("b", "a"), ("c", "a")]
    work.scheduler.add(work.by_id["a"])
    with pytest.raises(ValueError, match="pending"):
        work.scheduler.add(work.by_id["a"])
    work.scheduler.add(work.by_id["c"])
    await work.settle()
    with pytest.raises(ValueError, match="running"):
        work.scheduler.add(work.by_id["a"])
    assert work.started == ["a", "x", "a"]
    await work.end(a="completed")
    assert work.started == ["a", "x", "a"]  # b was skipped for good, c waits for x too
    await work.end(x="completed")
    assert work.started == ["a", "x", "a", "c"]
    await work.end(c="completed")
    await work.run
    assert len(work.skipped) == 2


async def test_a_retry_of_what_was_skipped_is_skipped_again_while_its_cause_stands() -> None:
    work = await begun(plan(a="", b="a", x=""))
    await work.end(a="failed")
    work.scheduler.add(work.by_id["b"])
    await work.settle()
    assert work.skipped == [("b", "a"), ("b", "a")]
    await work.end(x="completed")
    await work.run


async def test_two_retries_in_one_breath_wait_for_each_other() -> None:
    work = await begun(plan(a="", b="a", x=""))
    await work.end(a="failed")
    work.scheduler.add(work.by_id["b"])
    work.scheduler.add(work.by_id["a"])
    await work.settle()
    assert work.skipped == [("b", "a")]
    await work.end(a="completed")
    assert work.started == ["a", "x", "a", "b"]
    await work.end(b="completed", x="completed")
    await work.run


async def test_a_dependency_that_is_not_in_the_plan_counts_as_done() -> None:
    made = plan(a="")
    work = await begun(replace(made, tasks=(replace(made.tasks[0], depends_on=("gone",)),)))
    assert work.started == ["a"]
    await work.end(a="completed")
    await work.run


async def test_cancelled_and_queued_again_while_its_dependency_runs() -> None:
    work = await begun(plan(a="", b="a"))
    work.scheduler.cancel_task("b")
    work.scheduler.add(work.by_id["b"])
    await work.settle()
    assert work.pending == ["b"]
    await work.end(a="completed")
    assert work.started == ["a", "b"]
    await work.end(b="completed")
    await work.run


async def test_cancelled_in_the_queue_of_its_directory() -> None:
    made = plan(dict.fromkeys("abcd", "x"), a="", b="", c="", d="")
    work = await begun(made)
    work.scheduler.cancel_task("b")
    work.scheduler.cancel_task("c")
    work.scheduler.add(work.by_id["c"])
    await work.end(a="completed")
    await work.end(c="completed")
    await work.end(d="completed")
    await work.run
    assert work.started == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("kinds", "together"),
    [
        (("copy", "copy"), True),
        (("copy", "none"), False),
        (("none", "copy"), False),
        (("worktree", "copy"), True),
    ],
)
async def test_copies_of_one_directory_are_worked_in_side_by_side(
    kinds: tuple[str, str], together: bool
) -> None:
    tasks = [
        Task.model_validate({"id": name, "dir": folder, "first_prompt": "p", "isolation": kind})
        for name, folder, kind in zip("ab", ("x", "x/y"), kinds, strict=True)
    ]
    made = make_plan(tasks, Path("/base/task.json"), max_iterations=1)
    assert made.shared == (() if together else (("a", "b"),))
    work = await begun(made)
    assert work.started == (["a", "b"] if together else ["a"])
    work.scheduler.cancel()
    await work.run


async def test_a_bug_in_run_task_ends_the_run() -> None:
    async def run_task(task: PlannedTask) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Scheduler(plan(a="", b=""), run_task, max_concurrent=1).run()


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["chain", "against the file", "many", "one directory"])
async def test_ten_thousand_tasks(shape: str) -> None:
    count = 10_000
    needs: Callable[[int], tuple[str, ...]] = {
        "chain": lambda n: (f"t{n - 1}",) if n else (),
        "against the file": lambda n: (f"t{n + 1}",) if n + 1 < count else (),
        "many": lambda n: tuple(f"t{m}" for m in range(count - 1)) if n == count - 1 else (),
        "one directory": lambda n: (),
    }[shape]
    folder = "x" if shape == "one directory" else "d{}"
    tasks = [
        Task(id=f"t{n}", dir=folder.format(n), first_prompt="p", depends_on=needs(n)) for n in range(count)
    ]
    order: list[int] = []

    async def run_task(task: PlannedTask) -> Outcome:
        order.append(task.index)
        return "completed"

    ran: Awaitable[None] = Scheduler(
        make_plan(tasks, Path("/base/task.json"), max_iterations=1), run_task, max_concurrent=8
    ).run()
    await asyncio.wait_for(ran, 300)
    assert order == (sorted(order, reverse=True) if shape == "against the file" else list(range(count)))
    assert len(order) == count
