"""Tasks that are held, and what lets them go."""

import asyncio

from agentbatch.tasks.run.signals import PauseGate


async def held(holds: PauseGate, task_id: str) -> "asyncio.Task[float]":
    """A task that has come to the gate."""
    waiting = asyncio.ensure_future(holds.wait(task_id))
    await asyncio.sleep(0)
    return waiting


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_nothing_holds_what_is_not_paused() -> None:
    holds = PauseGate()
    holds.pause("other")
    assert await holds.wait("a") == 0.0


async def test_a_task_waits_until_it_is_released_and_tells_how_long() -> None:
    holds = PauseGate()
    holds.pause("a")
    waiting = await held(holds, "a")
    assert not waiting.done()
    await asyncio.sleep(0.05)
    holds.release("a")
    assert await waiting > 0.0
    assert await holds.wait("a") == 0.0


async def test_releasing_one_lets_no_other_go() -> None:
    holds = PauseGate()
    holds.pause("a")
    holds.pause("b")
    a, b = await held(holds, "a"), await held(holds, "b")
    holds.release("a")
    await settle()
    assert (a.done(), b.done()) == (True, False)
    # b was woken once for nothing, and must notice the next release.
    holds.release("b")
    await settle()
    assert b.done()


async def test_a_task_that_is_paused_by_itself_stays_held_by_a_pause_of_everything() -> None:
    holds = PauseGate()
    holds.pause(None)
    holds.pause("a")
    waiting = await held(holds, "a")
    holds.release("a")
    await settle()
    assert not waiting.done()
    holds.release(None)
    await settle()
    assert waiting.done()


async def test_everything_means_those_too_that_were_paused_by_themselves() -> None:
    holds = PauseGate()
    holds.pause("a")
    waiting = await held(holds, "a")
    holds.release(None)
    await settle()
    assert waiting.done()
    assert await holds.wait("a") == 0.0


async def test_one_that_is_paused_again_before_it_wakes_stays() -> None:
    holds = PauseGate()
    holds.pause("a")
    waiting = await held(holds, "a")
    holds.release("a")
    holds.pause("a")
    await settle()
    assert not waiting.done()
    holds.release("a")
    await settle()
    assert waiting.done()
