"""A quota that is used up and comes back at a known time (hours, days): calls stand still until then, or the run
stops."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from agentbatch.text import clock_text, duration

QUOTA_FROM = 300.0
"""Seconds. Who asks for a shorter wait has a rate limit; a longer one is a quota that comes back."""

WAITED_ANYWAY = 3_600.0
"""Seconds that a quota may be away before it has to be allowed."""

AT_ONCE = 60.0
"""Seconds of one sleep: a machine that was asleep itself wakes with the clock on the wall."""

MARGIN = 1.0
"""Seconds added to a reset: it takes effect a little later than the clock says."""


class UsedUp(NamedTuple):
    """An endpoint's quota, until it is back."""

    host: str
    until: float
    """Epoch seconds."""
    words: str
    """The refusal as a sentence, without keys."""
    told: bool = True
    """False: nobody has said until when; then it is worth another call."""

    def when(self, now: float) -> str:
        """`03:00, in 4:12:03`; with its day where that is another one."""
        return f"{clock_text(self.until, now)}, in {duration(self.until - now)}"

    def back(self, now: float) -> str:
        """`The quota is back at 03:00, in 4:12:03`."""
        said = "The quota is back at" if self.told else "Until when is not said; the next look is due at"
        return f"{said} {self.when(now)}"


class OnChange(Protocol):
    """Gets what is used up from now on; with `back`, what is to be tried again."""

    def __call__(self, quota: UsedUp, *, back: bool) -> None: ...


def _nobody(quota: UsedUp, *, back: bool) -> None:
    pass


class QuotaGate:
    """One endpoint's, shared by all who call it. `wait` returns when it is open. One event loop only."""

    def __init__(
        self,
        longest: float | None = None,
        on_change: OnChange = _nobody,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`longest`: seconds in a row, without an answer in between, that are waited; longer ones are refused. None:
        WAITED_ANYWAY."""
        self.used_up: UsedUp | None = None
        """None: it is open."""
        self._longest = WAITED_ANYWAY if longest is None else longest
        self._on_change = on_change
        self._clock = clock
        self._since: float | None = None
        """Epoch seconds of the first refusal since the latest answer."""
        self._opened = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def reached(self, used_up: UsedUp) -> bool:
        """The endpoint refused a call for its quota. True: it is waited for, by `wait`; False: it takes longer than
        is allowed."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        if used_up.until - self._since > self._longest:
            return False
        known = self.used_up
        if known is None or used_up.until > known.until + MARGIN:
            self.used_up = used_up
            self._opened.clear()
            self._on_change(used_up, back=False)
            self._sleep()
        return True

    def answered(self) -> None:
        """The endpoint gave an answer."""
        self._since = None

    def try_now(self) -> bool:
        """End the wait, for somebody says that the quota is back. False: there was none."""
        if self.used_up is None:
            return False
        self._open()
        return True

    async def wait(self) -> None:
        """Until the gate is open."""
        while self.used_up is not None:
            await self._opened.wait()

    def refusal(self, used_up: UsedUp) -> str:
        """Why the run stops instead of waiting, and what to do, as sentences."""
        back = used_up.back(self._clock())
        return (
            f"{used_up.words} {back}: --wait-for-quota waits for it (--wait-for-quota 6h: at most so long)."
        )

    def close(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sleep(self) -> None:
        self.close()
        if self.used_up is None:
            return
        left = self.used_up.until + MARGIN - self._clock()
        if left <= 0:
            self._open()
        else:
            self._timer = asyncio.get_running_loop().call_later(min(left, AT_ONCE), self._sleep)

    def _open(self) -> None:
        self.close()
        over, self.used_up = self.used_up, None
        self._opened.set()
        if over is not None:
            self._on_change(over, back=True)
