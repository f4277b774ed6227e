"""What a coder of somebody else's takes of a run."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agentbatch.runs import events as e
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.coders.external.program import Told


@dataclass(frozen=True)
class ExternalParts:
    entry: CoderEntry
    model: str
    """The run's, of tasks that name none."""
    emit: Callable[[e.Event], None]
    stored: Callable[[], Awaitable[None]]
    """Waits until the events so far are on disk; raises OSError when that fails."""
    redact: Callable[[str], str]
    told: Callable[[str], Told]
    """Where the model with this name is, as the program is told."""


def external_parts(parts: RunParts, entry: CoderEntry) -> ExternalParts:
    store = parts.store
    return ExternalParts(
        entry=entry,
        model=parts.coder_model.model,
        emit=store.emit,
        stored=store.stored,
        redact=store.redact,
        told=lambda model: Told(parts.coder_model.named(model)),
    )
