"""Coders that are programs of somebody else's, in one run; see `Coders`."""

from collections.abc import Callable, Sequence

from agentbatch.gateway.gateway import Gateway
from agentbatch.tasks.coders.coder import Assignment, Coder
from agentbatch.tasks.coders.external.parts import ExternalParts
from agentbatch.tasks.spec.plan import PlannedTask

MakeCoder = Callable[[ExternalParts, Assignment], Coder]


class ExternalCoders:
    """Those of one entry of agents/coders.toml."""

    tools: tuple[str, ...] = ()
    command_timeout = 120.0

    def __init__(self, parts: ExternalParts, gateway: Gateway | None, make: MakeCoder) -> None:
        """`gateway`: where the agents' models are; None: they have logins of their own."""
        self._parts = parts
        self._gateway = gateway
        self._make = make

    async def start(self, tasks: Sequence[PlannedTask]) -> None:
        """Each task starts its own program."""
        if self._gateway is not None:
            await self._gateway.start()

    def make(self, assignment: Assignment) -> Coder:
        return self._make(self._parts, assignment)
