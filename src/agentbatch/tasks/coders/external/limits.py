"""What a turn may take, and what ends one before its time."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from agentbatch.tasks.coders.coder import TurnEnd

MAX_WEIGHT = 64 << 20
"""Bytes of memory that one message of an agent's may take once it is read; what takes more is left out."""


@dataclass(frozen=True)
class TurnLimits:
    """What one turn may take at most, beside the task's own time, tokens and money."""

    start: float = 180.0
    """Seconds for the program's start, and for each answer that is not a turn."""
    silence: float = 1800.0
    """Seconds without a word from it: a long build says nothing either."""
    poll: float = 1.0
    """Seconds between looks at the limits of a turn under way."""
    calls: int = 2000
    """Of tools."""
    received: int = 1 << 30
    """Bytes."""
    refused: float = 10.0
    """Seconds that it may go on after its model has been refused for good."""
    linger: float = 20.0
    """Seconds that a command may go on after it has said that its turn is over: some never end by themselves."""
    grace: float = 2.0
    """Seconds that a turn which is cancelled gets to end by itself."""


class AgentProblem(Exception):
    """What is wrong with the agent, a sentence."""


class AgentRefusal(AgentProblem):
    """It answered with an error; it can be asked something else."""

    def __init__(self, text: str, code: int = 0) -> None:
        """`code`: of the error, where the protocol has one."""
        super().__init__(text)
        self.code = code


class TurnEnded(AgentProblem):
    """A limit of the turn is passed."""

    def __init__(self, end: TurnEnd, text: str) -> None:
        super().__init__(text)
        self.end = end


class Pace:
    """What is heard of an agent in a turn: how much, and how long ago."""

    def __init__(self, limits: TurnLimits, is_busy: Callable[[], bool]) -> None:
        """`is_busy`: it has reason to be silent."""
        self._limits = limits
        self._is_busy = is_busy
        self.begin()

    def begin(self) -> None:
        """A turn begins."""
        self._received, self._heard = 0, time.monotonic()

    def hear(self, size: int) -> None:
        """So many bytes have come."""
        self._received += size
        self._heard = time.monotonic()

    def passed(self) -> TurnEnded | None:
        """The limit that is passed now."""
        if self._received > self._limits.received:
            return TurnEnded(
                "step_limit", f"It said more than {self._limits.received >> 20:,} MB in one turn."
            )
        if self._is_busy():
            self._heard = time.monotonic()
        if time.monotonic() - self._heard > self._limits.silence:
            return TurnEnded(
                "silent", f"Nothing was heard of it for {self._limits.silence / 60:.0f} minutes."
            )
        return None
