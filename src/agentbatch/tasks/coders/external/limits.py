"""What a turn may take, and what ends one before its time."""

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
