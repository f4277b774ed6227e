"""Gives each task its coder; see `Coders`."""

from collections.abc import Mapping, Sequence

from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.coders.chosen.coder import ChosenCoder
from agentbatch.tasks.coders.coder import Assignment, Coders
from agentbatch.tasks.spec.plan import PlannedTask


class ChosenCoders:
    def __init__(self, coders: Mapping[str, Coders], model: str, prompts: Prompts) -> None:
        """By name. `model`: the run's, of whoever names none."""
        self._coders = coders
        self._model = model
        self._prompts = prompts

    @property
    def tools(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for coders in self._coders.values() for name in coders.tools))

    @property
    def command_timeout(self) -> float:
        return max(coders.command_timeout for coders in self._coders.values())

    async def start(self, tasks: Sequence[PlannedTask]) -> None:
        for name, coders in self._coders.items():
            own = [task for task in tasks if name in task.coders]
            if own:
                await coders.start(own)

    def make(self, assignment: Assignment) -> ChosenCoder:
        return ChosenCoder(self._coders, assignment, self._model, self._prompts)
