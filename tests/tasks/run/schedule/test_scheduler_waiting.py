"""Tasks that wait for a machine hold up nobody whose need another one serves."""

import asyncio
from pathlib import Path

from agentbatch.tasks.run.schedule.scheduler import Outcome, Scheduler
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import Task


class Cluster:
    """Machines for tasks, of which those with a `gpu` come when they are added."""

    def __init__(self, *names: str, parallel: int) -> None:
        tasks = [
            Task(id=name, dir=name, first_prompt="p", resources={"gpu": 1} if name[0] == "g" else {})
            for name in names
        ]
        plan = make_plan(tasks, Path("/base/task.json"), max_iterations=1)
        self.scheduler = Scheduler(plan, self.run, max_concurrent=parallel)
        self.added = asyncio.Event()
        self.started, self.done = list[str](), list[str]()
        self.at_work = self.most = 0

    async def run(self, task: PlannedTask) -> Outcome:
        self.started.append(task.id)
        if task.task.resources and not self.added.is_set():
            self.scheduler.step_aside(task.id, waits=True)
            await self.added.wait()
            self.scheduler.step_aside(task.id, waits=False)
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        await asyncio.sleep(0.001)
        self.at_work -= 1
        self.done.append(task.id)
        return "completed"

    async def until(self, *done: str) -> None:
        while not set(done) <= set(self.done):
            await asyncio.sleep(0.001)


async def test_others_go_on_and_those_that_would_wait_too_stay_where_they_are() -> None:
    cluster = Cluster("g1", "g2", "g3", "a", "b", "g4", "c", parallel=1)
    running = asyncio.ensure_future(cluster.scheduler.run())
    await cluster.until("a", "b", "c")
    assert cluster.started == ["g1", "a", "b", "c"], "one waits for all that want the same"
    assert [task.id for task in cluster.scheduler.pending] == ["g2", "g3", "g4"]
    assert not running.done()
    cluster.added.set()
    await running
    assert sorted(cluster.done) == sorted(["g1", "g2", "g3", "g4", "a", "b", "c"])
    assert cluster.most == 1


async def test_one_that_waits_can_be_cancelled_and_so_can_those_behind_it() -> None:
    cluster = Cluster("g1", "g2", "a", parallel=1)
    running = asyncio.ensure_future(cluster.scheduler.run())
    await cluster.until("a")
    assert cluster.scheduler.cancel_task("g2") == "pending"
    assert cluster.scheduler.cancel_task("g1") == "running"
    await running
    assert cluster.done == ["a"]


async def test_a_run_that_ends_does_not_wait_for_machines_of_those_behind() -> None:
    cluster = Cluster("g1", "g2", parallel=1)
    running = asyncio.ensure_future(cluster.scheduler.run())
    while not cluster.started:
        await asyncio.sleep(0.001)
    cluster.scheduler.drain()
    cluster.scheduler.cancel_task("g1")
    await running
    assert [task.id for task in cluster.scheduler.pending] == ["g2"]


async def test_the_next_of_a_need_starts_when_the_one_that_waited_has_given_up() -> None:
    cluster = Cluster("g1", "g2", parallel=1)
    running = asyncio.ensure_future(cluster.scheduler.run())
    while not cluster.started:
        await asyncio.sleep(0.001)
    cluster.scheduler.cancel_task("g1")
    while cluster.started != ["g1", "g2"]:
        await asyncio.sleep(0.001)
    cluster.added.set()
    await running
    assert cluster.done == ["g2"]
