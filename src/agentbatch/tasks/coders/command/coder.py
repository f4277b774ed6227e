"""A coder that is a command, run once a turn."""

from agentbatch.tasks.coders.coder import Assignment
from agentbatch.tasks.coders.command.session import CommandSession
from agentbatch.tasks.coders.external.coder import ExternalCoder
from agentbatch.tasks.coders.external.limits import TurnLimits
from agentbatch.tasks.coders.external.parts import ExternalParts


class CommandCoder(ExternalCoder):
    def __init__(
        self,
        parts: ExternalParts,
        assignment: Assignment,
        limits: TurnLimits = TurnLimits(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(parts, assignment, CommandSession, limits)
