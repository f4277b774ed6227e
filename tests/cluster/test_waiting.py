"""A lease that waits for a machine: what is shown, told, and when it is given up."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from agentbatch.cluster.exchange.losses import HeadLost
from agentbatch.cluster.exchange.terms import Lease
from agentbatch.cluster.stations import waiting
from agentbatch.cluster.stations.waiting import Machines, until_placed
from agentbatch.workspace.workspace import NoPlace


class Asked:
    """In the place of a connection: answers by what machines there are now."""

    def __init__(self, *machines: Mapping[str, float], grows: bool = True) -> None:
        self.machines = list(machines)
        self.grows, self.is_lost, self.session = grows, False, 1
        self.asked = 0

    async def request(self, op: str) -> Any:
        if op == "grows":
            return self.grows
        assert op == "machines"
        self.asked += 1
        return [*self.machines]


def machines_of(asked: Asked, max_wait: float | None = None) -> tuple[Machines, list[str]]:
    """And what somebody is called for."""
    alarms: list[str] = []
    return Machines(asked, max_wait, alarms.append), alarms  # type: ignore[arg-type]  # it asks it two things


class Waits:
    def __init__(self, machines: Machines, lease: Lease) -> None:
        self.shown = list[str]()
        self.asking: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.done = asyncio.ensure_future(until_placed(self.asking, lease, machines, self.shown.append))

    async def until(self, number: int) -> None:
        while len(self.shown) < number:
            await asyncio.sleep(0)


GPU = Lease(resources=(("gpu", 1),))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "LOOK_AGAIN", 0.002)


async def test_what_nobody_has_is_shown_and_somebody_called_until_one_comes() -> None:
    asked = Asked({"CPU": 2})
    machines, alarms = machines_of(asked)
    waits = Waits(machines, GPU)
    await waits.until(1)
    assert waits.shown == ["waiting for a node with cpus 1, gpu 1"]
    assert alarms == [
        "No machine of the cluster has gpu 1 (at most 0): tasks that need it wait until one joins, for ever "
        "(--node-wait says how long)."
    ]
    asked.machines.append({"CPU": 2, "GPU": 1})
    await waits.until(2)
    assert waits.shown[1:] == ["waiting for a node"], "it is there, and others have it"
    waits.asking.set_result("here")
    assert await waits.done == "here"
    assert len(alarms) == 1


async def test_until_there_is_a_connection_a_task_does_not_seem_to_be_at_work() -> None:
    asked = Asked({"CPU": 2})
    asked.session = 0
    waits = Waits(machines_of(asked)[0], Lease())
    await waits.until(1)
    assert waits.shown == ["waiting for the cluster"]
    await waits.until(2)
    assert waits.shown[1:] == ["waiting for a node"]
    waits.asking.set_result("here")
    await waits.done


async def test_what_only_others_have_is_no_news() -> None:
    machines, alarms = machines_of(Asked({"CPU": 2}))
    waits = Waits(machines, Lease())
    await waits.until(1)
    waits.asking.set_exception(HeadLost("it is gone"))
    with pytest.raises(HeadLost):
        await waits.done
    assert (waits.shown, alarms) == (["waiting for a node"], [])


async def test_who_has_said_how_long_is_told_when_that_is_over() -> None:
    waits = Waits(machines_of(Asked({"CPU": 2}), 0.01)[0], GPU)
    with pytest.raises(NoPlace, match=r"has gpu 1 \(at most 0\), and none has come within 0\.01 seconds\."):
        await waits.done
    others = Waits(machines_of(Asked({"CPU": 1}), 0.001)[0], Lease())
    await others.until(1)
    assert not others.done.done(), "a machine that others have is free some time"
    others.asking.set_result("here")
    assert await others.done == "here"


async def test_where_nothing_adds_machines_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_WAIT", 0.01)
    machines, alarms = machines_of(Asked({"CPU": 2}, grows=False))
    with pytest.raises(NoPlace, match="none has come"):
        await Waits(machines, GPU).done
    assert alarms == [
        "No machine of the cluster has gpu 1 (at most 0): tasks that need it wait until one joins, "
        "0.01 seconds at most (--node-wait)."
    ]
    with pytest.raises(NoPlace):
        await Waits(machines, GPU).done
    assert len(alarms) == 1, "the next one does not begin to wait anew"


async def test_a_lost_head_is_waited_for_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked({"CPU": 2})
    asked.is_lost = True
    machines, alarms = machines_of(asked)
    waits = Waits(machines, Lease())
    await waits.until(1)
    assert waits.shown == ["waiting for the cluster"]
    assert alarms[0].startswith(
        "The head of the cluster does not answer: tasks that need it wait until it is"
    )
    asked.is_lost = False
    await waits.until(2)
    asked.is_lost = True
    await waits.until(3)
    assert len(alarms) == 2, "it was there in between"
    monkeypatch.setattr(waiting, "MAX_WAIT", 0.001)
    with pytest.raises(NoPlace, match="does not answer, and it was not there again within"):
        await waits.done


async def test_what_has_come_and_is_lost_again_is_waited_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    machines, alarms = machines_of(Asked({"CPU": 2}))
    for _ in range(2):
        waits = Waits(machines, GPU)
        await waits.until(1)
        waits.asking.set_result("here")
        await waits.done
    assert len(alarms) == 2


async def test_all_that_wait_look_once() -> None:
    asked = Asked({"CPU": 2})
    machines, alarms = machines_of(asked)
    waits = [Waits(machines, GPU) for _ in range(50)]
    for one in waits:
        await one.until(1)
    assert asked.asked < 25
    assert len(alarms) == 1
    for one in waits:
        one.asking.set_result("here")
        await one.done
