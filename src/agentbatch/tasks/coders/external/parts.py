"""What a coder of somebody else's takes of a run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agentbatch.runs import events as e
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.external.access import Access, GatewayAccess, OwnAccess
from agentbatch.tasks.spec.plan import PlannedTask


@dataclass(frozen=True)
class ExternalParts:
    entry: CoderEntry
    model: str
    """The run's, of tasks that name none."""
    emit: Callable[[e.Event], None]
    stored: Callable[[], Awaitable[None]]
    """Waits until the events so far are on disk; raises OSError when that fails."""
    redact: Callable[[str], str]
    render: Callable[..., str]
    """A template of prompts/, by name, with its values."""
    access: Callable[[PlannedTask, str], Access]
    """A task's way to the model with this name; nothing is opened yet."""


def external_parts(parts: RunParts, entry: CoderEntry) -> ExternalParts:
    def access(planned: PlannedTask, model: str) -> Access:
        if not entry.gateway:
            return OwnAccess(model)
        return GatewayAccess(parts, planned, model, entry.name)

    store = parts.store
    return ExternalParts(
        entry=entry,
        model=parts.coder_model.model,
        emit=store.emit,
        stored=store.stored,
        redact=store.redact,
        render=parts.prompts.render,
        access=access,
    )
