"""Coders that are programs of somebody else's, before a run and in one."""

from collections.abc import Callable, Sequence

from agentbatch.gateway.gateway import Gateway
from agentbatch.model.tokens import estimate
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.coder import Assignment, PromptStyle
from agentbatch.tasks.coders.external.coder import ExternalCoder, MakeSession
from agentbatch.tasks.coders.external.limits import TurnLimits
from agentbatch.tasks.coders.external.parts import ExternalParts, external_parts
from agentbatch.tasks.coders.external.words import WORDS
from agentbatch.tasks.spec.escalation import Escalation
from agentbatch.tasks.spec.plan import PlannedTask


class ExternalCoders:
    """Those of one entry of agents/coders.toml; see `Coders`."""

    tools: tuple[str, ...] = ()
    command_timeout = 120.0

    def __init__(self, parts: ExternalParts, gateway: Gateway | None, session: MakeSession) -> None:
        """`gateway`: where the agents' models are; None: they have logins of their own."""
        self._parts = parts
        self._gateway = gateway
        self._session = session

    async def start(self, tasks: Sequence[PlannedTask]) -> None:
        """Each task starts its own program."""
        if self._gateway is not None:
            await self._gateway.start()

    def make(self, assignment: Assignment) -> ExternalCoder:
        return ExternalCoder(self._parts, assignment, self._session, TurnLimits())


class ExternalKind:
    """See `CoderKind`."""

    prompts: tuple[str, ...] = ()
    escalate: tuple[Escalation, ...] = ()

    def __init__(self, entry: CoderEntry, session: MakeSession) -> None:
        self._entry = entry
        self._session = session

    def models(self, tasks: Sequence[PlannedTask], default: str) -> tuple[str, ...]:
        if not self._entry.gateway:
            return ()
        own = (
            model
            for task in tasks
            if not task.after
            for model in task.coder_models(default, self._entry.name)
        )
        return tuple(dict.fromkeys(own))

    def least_tokens(
        self, planned: PlannedTask, prompts: Prompts, opening: Callable[[PromptStyle], str]
    ) -> int:
        if not self._entry.gateway:
            return 0
        return self._entry.first_request + estimate(opening(PromptStyle(WORDS)))

    def coders(self, parts: RunParts) -> ExternalCoders:
        gateway = parts.gateway if self._entry.gateway else None
        return ExternalCoders(external_parts(parts, self._entry), gateway, self._session)
