"""Several coders in one run, as one kind: each task has its own, and may go on with another."""

from collections.abc import Callable, Mapping, Sequence

from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.chosen.coder import ChosenCoder
from agentbatch.tasks.coders.coder import Assignment, Coders, PromptStyle
from agentbatch.tasks.coders.kind import CoderKind
from agentbatch.tasks.spec.escalation import Escalation
from agentbatch.tasks.spec.plan import PlannedTask


class ChosenCoders:
    """Gives each task its coder; see `Coders`."""

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


class ChosenKind:
    """See `CoderKind`."""

    def __init__(self, kinds: Mapping[str, CoderKind]) -> None:
        """`kinds`: by name, all that the run's tasks name."""
        self._kinds = kinds
        self.prompts = tuple(dict.fromkeys(name for kind in kinds.values() for name in kind.prompts))
        self.escalate: tuple[Escalation, ...] = ()

    def models(self, tasks: Sequence[PlannedTask], default: str) -> tuple[str, ...]:
        found = (model for kind in self._kinds.values() for model in kind.models(tasks, default))
        return tuple(dict.fromkeys(found))

    def least_tokens(
        self, planned: PlannedTask, prompts: Prompts, opening: Callable[[PromptStyle], str]
    ) -> int:
        return self._kinds[planned.coder].least_tokens(planned, prompts, opening)

    def coders(self, parts: RunParts) -> ChosenCoders:
        made = {name: kind.coders(parts) for name, kind in self._kinds.items()}
        return ChosenCoders(made, parts.coder_model.model, parts.prompts)
