import asyncio
from dataclasses import dataclass, field

import pytest

from agentbatch.model.limits.quota import MARGIN, WAITED_ANYWAY, QuotaGate, UsedUp
from tests.support.waiting import PATIENCE

NOW = 1_800_000_000.0


@dataclass
class Wall:
    """A clock on the wall, and what the gate says."""

    now: float = NOW
    said: list[tuple[str, bool]] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def heard(self, quota: UsedUp, *, back: bool) -> None:
        self.said.append((quota.words, back))

    def gate(self, longest: float | None = None) -> QuotaGate:
        return QuotaGate(longest, self.heard, self)


def used_up(seconds: float, words: str = "No.") -> UsedUp:
    return UsedUp("host", NOW + seconds, words)


@pytest.mark.parametrize(
    ("longest", "seconds", "waited"),
    [
        (None, WAITED_ANYWAY, True),
        (None, WAITED_ANYWAY + 1, False),
        (0.0, 400, False),
        (6 * 3_600, 5 * 3_600, True),
        (6 * 3_600, 7 * 3_600, False),
    ],
)
async def test_how_long_is_waited(longest: float | None, seconds: float, waited: bool) -> None:
    wall = Wall()
    gate = wall.gate(longest)
    assert gate.reached(used_up(seconds)) == waited
    assert (gate.used_up is not None) == waited == bool(wall.said)
    gate.close()


async def test_it_opens_by_itself_and_says_so() -> None:
    wall = Wall()
    gate = wall.gate()
    assert gate.reached(used_up(0.01 - MARGIN))
    waiting = asyncio.ensure_future(gate.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    wall.now += 1  # the timer rings by the loop's clock, and looks at the wall's
    await asyncio.wait_for(waiting, PATIENCE)
    assert wall.said == [("No.", False), ("No.", True)]


async def test_a_machine_that_slept_itself_wakes_with_the_clock_on_the_wall() -> None:
    wall = Wall()
    gate = wall.gate()
    assert gate.reached(used_up(3_000))
    wall.now += 4_000
    gate._sleep()  # what the timer does once a minute at most
    await asyncio.wait_for(gate.wait(), PATIENCE)


async def test_many_calls_hear_of_one_quota_and_a_later_end_counts() -> None:
    wall = Wall()
    gate = wall.gate()
    assert all(gate.reached(used_up(s, str(s))) for s in (600, 600.2, 500, 900))
    assert wall.said == [("600", False), ("900", False)]
    assert gate.used_up is not None
    assert gate.used_up.until == NOW + 900
    gate.close()


async def test_time_in_a_row_counts_until_there_is_an_answer() -> None:
    wall = Wall()
    gate = wall.gate(longest=1_000)
    for _ in range(2):
        assert gate.reached(used_up(wall.now - NOW + 600))
        wall.now += 600
        assert gate.try_now()
        refused = gate.reached(used_up(wall.now - NOW + 600))
        assert not refused  # 1,200 in a row
        gate.answered()
    assert not gate.try_now()


async def test_the_refusal_names_the_flag_and_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Wall().gate().refusal(used_up(5 * 3_600 + 90, "host answered 429 for model m: no."))
    assert text.startswith("host answered 429 for model m: no. The quota is back at ")
    assert "in 5:01:30: --wait-for-quota waits for it" in text
    guessed = Wall().gate().refusal(used_up(7_200)._replace(told=False))
    assert "Until when is not said; the next look is due at " in guessed
