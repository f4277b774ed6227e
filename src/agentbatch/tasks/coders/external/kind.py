"""A coder that is a program of somebody else's, before a run."""

from collections.abc import Callable, Sequence

from agentbatch.model.tokens import estimate
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.coder import PromptStyle
from agentbatch.tasks.coders.external.coders import ExternalCoders, MakeCoder
from agentbatch.tasks.coders.external.parts import external_parts
from agentbatch.tasks.coders.external.words import WORDS
from agentbatch.tasks.spec.escalation import Escalation
from agentbatch.tasks.spec.plan import PlannedTask


class ExternalKind:
    """See `CoderKind`."""

    prompts: tuple[str, ...] = ()
    escalate: tuple[Escalation, ...] = ()

    def __init__(self, entry: CoderEntry, make: MakeCoder) -> None:
        self._entry = entry
        self._make = make

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
        return ExternalCoders(external_parts(parts, self._entry), gateway, self._make)
