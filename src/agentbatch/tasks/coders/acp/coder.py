"""A coder that speaks the Agent Client Protocol."""

from agentbatch.tasks.coders.acp.session import AcpSession
from agentbatch.tasks.coders.coder import Assignment
from agentbatch.tasks.coders.external.coder import ExternalCoder
from agentbatch.tasks.coders.external.limits import TurnLimits
from agentbatch.tasks.coders.external.parts import ExternalParts


class AcpCoder(ExternalCoder):
    def __init__(
        self,
        parts: ExternalParts,
        assignment: Assignment,
        limits: TurnLimits = TurnLimits(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(parts, assignment, AcpSession, limits)
