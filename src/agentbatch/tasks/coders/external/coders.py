"""Coders that are programs of somebody else's, in one run; see `Coders`."""

from collections.abc import Callable, Sequence

from agentbatch.tasks.coders.coder import Assignment, Coder
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.spec.plan import PlannedTask

MakeCoder = Callable[[ExternalParts, Assignment], Coder]


class ExternalCoders:
    """Those of one entry of agents/coders.toml."""

    tools: tuple[str, ...] = ()
    command_timeout = 120.0

    def __init__(self, parts: ExternalParts, make: MakeCoder) -> None:
        self._parts = parts
        self._make = make

    async def start(self, tasks: Sequence[PlannedTask]) -> None:
        """Nothing is to be found out: each task starts its own program."""

    def make(self, assignment: Assignment) -> Coder:
        return self._make(self._parts, assignment)
