"""A lease that waits for a machine: what is shown, told, and when it is given up."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from agentbatch.cluster.exchange.losses import HeadLost
from agentbatch.cluster.exchange.terms import Lease
from agentbatch.cluster.stations import waiting
from agentbatch.cluster.stations.waiting import Look, until_placed
from agentbatch.workspace.workspace import NoPlace


class Asked:
    """In the place of a connection: answers by what machines there are now."""

    def __init__(self, *machines: Mapping[str, float]) -> None:
        self.machines = list(machines)
        self.asked = 0

    async def request(self, op: str) -> Any:
        assert op == "machines"
        self.asked += 1
        return [*self.machines]


class Waits:
    def __init__(
        self, asked: Asked, lease: Lease, most: float | None = None, look: Look | None = None
    ) -> None:
        self.shown, self.told = list[str](), list[str]()
        self.asking: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        look = look or Look(asked)  # type: ignore[arg-type]  # it asks it one thing
        waits = until_placed(self.asking, lease, look, most, self.shown.append, self.told.append)
        self.done = asyncio.ensure_future(waits)

    async def until(self, number: int) -> None:
        while len(self.shown) < number:
            await asyncio.sleep(0)


GPU = Lease(resources=(("gpu", 1),))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "LOOK_AGAIN", 0.002)


async def test_what_nobody_has_is_shown_and_told_until_one_comes() -> None:
    asked = Asked({"CPU": 2})
    waits = Waits(asked, GPU)
    await waits.until(1)
    assert waits.shown == ["waiting for a node with cpus 1, gpu 1"]
    assert len(waits.told) == 1
    assert waits.told[0].startswith(
        "No machine of the cluster has gpu 1 (at most 0): the task waits until one joins"
    )
    asked.machines.append({"CPU": 2, "GPU": 1})
    await waits.until(2)
    assert waits.shown[1:] == ["waiting for a node"], "it is there, and others have it"
    waits.asking.set_result("here")
    assert await waits.done == "here"
    assert len(waits.told) == 1


async def test_what_only_others_have_is_no_news() -> None:
    waits = Waits(Asked({"CPU": 2}), Lease())
    await waits.until(1)
    waits.asking.set_exception(HeadLost("it is gone"))
    with pytest.raises(HeadLost):
        await waits.done
    assert (waits.shown, waits.told) == (["waiting for a node"], [])


async def test_who_has_said_how_long_is_told_when_that_is_over() -> None:
    waits = Waits(Asked({"CPU": 2}), GPU, most=0.01)
    with pytest.raises(NoPlace, match=r"has gpu 1 \(at most 0\), and none has come within 0\.01 seconds\."):
        await waits.done
    others = Waits(Asked({"CPU": 1}), Lease(), most=0.0)
    await others.until(1)
    assert not others.done.done(), "a machine that others have is free some time"
    others.asking.set_result("here")
    assert await others.done == "here"


async def test_all_that_wait_look_once() -> None:
    asked = Asked({"CPU": 2})
    look = Look(asked)  # type: ignore[arg-type]
    waits = [Waits(asked, GPU, look=look) for _ in range(50)]
    for one in waits:
        await one.until(1)
    assert asked.asked < 25
    for one in waits:
        one.asking.set_result("here")
        await one.done
