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
    messages: int = 2_000_000
    """Updates, or lines of output: some tell each token."""
    requests: int = 10_000
    """For leave, and for what it is not given."""
    unread: float = 60.0
    """Seconds that it may leave what it is told unread."""
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
        self._received, self._messages, self._requests, self._heard = 0, 0, 0, time.monotonic()

    def hear(self, size: int, messages: int) -> None:
        """So many bytes have come, with the ends of so many messages."""
        self._received += size
        self._messages += messages
        self._heard = time.monotonic()

    def asked(self) -> None:
        """It has asked for something."""
        self._requests += 1

    def repeated(self, size: int) -> None:
        """Of what has come, so much says nothing new: it counts for a tenth."""
        self._received -= size - size // 10

    def passed(self) -> TurnEnded | None:
        """The limit that is passed now."""
        limits = self._limits
        for count, most, text in (
            (self._received, limits.received, f"It said more than {limits.received >> 20:,} MB in one turn."),
            (self._messages, limits.messages, f"It sent more than {limits.messages:,} messages in one turn."),
            (self._requests, limits.requests, f"It made more than {limits.requests:,} requests in one turn."),
        ):
            if count > most:
                return TurnEnded("step_limit", text)
        if self._is_busy():
            self._heard = time.monotonic()
        if time.monotonic() - self._heard > limits.silence:
            return TurnEnded("silent", f"Nothing was heard of it for {limits.silence / 60:.0f} minutes.")
        return None
