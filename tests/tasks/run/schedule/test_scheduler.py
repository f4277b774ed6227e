import asyncio
import itertools
from pathlib import Path

from agentbatch.tasks.run.schedule.scheduler import Outcome, Scheduler
from agentbatch.tasks.spec.attempts import with_attempts
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.plan import Plan, PlannedTask
from agentbatch.tasks.spec.task import AttemptSpec, Task


def plan(*entries: tuple[str, str, int]) -> Plan:
    tasks = [Task(id=name, dir=folder, first_prompt="p", priority=p) for name, folder, p in entries]
    return make_plan(tasks, Path("/base/task.json"), max_iterations=1)


class Recorder:
    """Runs tasks that end when told, and keeps the order of what happened."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.running: set[str] = set()
        self.most = 0
        self.gates: dict[str, asyncio.Event] = {}

    @property
    def started(self) -> list[str]:
        return [entry[1:] for entry in self.log if entry[0] == "+"]

    async def run(self, task: PlannedTask) -> Outcome:
        self.log.append(f"+{task.id}")
        self.running.add(task.id)
        self.most = max(self.most, len(self.running))
        try:
            gate = self.gates.get(task.id)
            if gate is not None:
                await gate.wait()
            else:
                await asyncio.sleep(0.01)
            return "completed"
        finally:
            self.running.discard(task.id)
            self.log.append(f"-{task.id}")


async def test_never_more_than_so_many_and_in_file_order() -> None:
    recorder = Recorder()
    made = plan(*[(f"t{n}", f"d{n}", 0) for n in range(20)])
    await Scheduler(made, recorder.run, max_concurrent=3).run()
    assert recorder.most == 3
    assert recorder.started == [f"t{n}" for n in range(20)]


async def test_priority_first() -> None:
    recorder = Recorder()
    made = plan(("low", "a", -1), ("mid", "b", 0), ("high", "c", 5), ("mid2", "d", 0))
    await Scheduler(made, recorder.run, max_concurrent=1).run()
    assert recorder.started == ["high", "mid", "mid2", "low"]


async def test_same_dirs_never_overlap_and_others_pass_by() -> None:
    recorder = Recorder()
    recorder.gates["a"] = asyncio.Event()
    made = plan(("a", "x", 0), ("b", "x/sub", 0), ("c", "x", 0), ("d", "y", 0), ("e", "x/other", 0))
    scheduler = Scheduler(made, recorder.run, max_concurrent=5)
    run = asyncio.ensure_future(scheduler.run())
    while "-d" not in recorder.log:
        await asyncio.sleep(0)
    assert recorder.log == ["+a", "+d", "-d"]
    recorder.gates["a"].set()
    await run
    # b and e are siblings: they may overlap each other, but neither c.
    log = recorder.log
    assert log.index("-b") < log.index("+c") < log.index("-c") or log.index("-c") < log.index("+b")
    assert recorder.most == 2


async def test_drain_starts_nothing_more_and_cancel_ends_what_runs() -> None:
    recorder = Recorder()
    recorder.gates["t0"] = asyncio.Event()
    made = plan(*[(f"t{n}", f"d{n}", 0) for n in range(3)])
    scheduler = Scheduler(made, recorder.run, max_concurrent=1)
    run = asyncio.ensure_future(scheduler.run())
    while not recorder.running:
        await asyncio.sleep(0)
    scheduler.drain()
    await asyncio.sleep(0)
    assert not run.done()
    scheduler.cancel()
    await run
    assert recorder.log == ["+t0", "-t0"]
    assert [t.id for t in scheduler.pending] == ["t1", "t2"]


async def test_a_rest_lies_between_two_starts() -> None:
    times: list[float] = []

    async def note(_: PlannedTask) -> Outcome:
        times.append(asyncio.get_running_loop().time())
        return "completed"

    made = plan(*[(f"t{n}", f"d{n}", 0) for n in range(3)])
    await Scheduler(made, note, max_concurrent=3, rest=0.05).run()
    assert all(b - a >= 0.05 for a, b in itertools.pairwise(times))


async def test_one_by_one_the_rest_lies_between_an_end_and_a_start() -> None:
    clock = asyncio.get_running_loop().time
    begun: list[float] = []
    over: list[float] = []

    async def work(_: PlannedTask) -> Outcome:
        begun.append(clock())
        await asyncio.sleep(0.05)  # longer than the rest
        over.append(clock())
        return "completed"

    made = plan(*[(f"t{n}", f"d{n}", 0) for n in range(3)])
    await Scheduler(made, work, max_concurrent=1, rest=0.03).run()
    assert all(start - end >= 0.03 for end, start in zip(over, begun[1:], strict=False))


async def test_a_choice_waits_for_all_attempts_however_they_end() -> None:
    ends: dict[str, Outcome] = {"t@1": "failed", "t@2": "completed", "u@1": "failed", "u@2": "failed"}
    order: list[str] = []

    async def run(task: PlannedTask) -> Outcome:
        order.append(task.id)
        await asyncio.sleep(0)
        return ends.get(task.id, "completed")

    tasks = [
        Task(id="t", dir="a", first_prompt="p", attempts=(AttemptSpec(),) * 2),
        Task(id="u", dir="b", first_prompt="p", attempts=(AttemptSpec(),) * 2),
        Task(id="after", dir="c", first_prompt="p", depends_on=("t", "u")),
    ]
    made = with_attempts(make_plan(tasks, Path("/base/task.json"), max_iterations=1))
    await Scheduler(made, run, max_concurrent=1).run()
    # The first attempts at all tasks come before the second at any.
    assert order == ["t@1", "u@1", "t@2", "t", "u@2", "u", "after"]


async def test_attempts_that_are_interrupted_leave_the_choice_pending() -> None:
    async def run(task: PlannedTask) -> Outcome:
        return "interrupted" if task.id == "t@2" else "completed"

    tasks = [Task(id="t", dir="a", first_prompt="p", attempts=(AttemptSpec(),) * 2)]
    scheduler = Scheduler(
        with_attempts(make_plan(tasks, Path("/base/task.json"), max_iterations=1)), run, max_concurrent=2
    )
    await scheduler.run()
    assert [task.id for task in scheduler.pending] == ["t"]
