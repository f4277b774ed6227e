"""A kind of coder before a run: what `prepare` checks and estimates of it."""

from collections.abc import Callable, Sequence
from typing import Protocol

from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.coder import Coders, PromptStyle
from agentbatch.tasks.spec.escalation import Escalation
from agentbatch.tasks.spec.plan import PlannedTask


class CoderKind(Protocol):
    """One kind of coder before a run: what is checked and estimated. Nothing is spent or written."""

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names of its own templates in prompts/, which are checked with the others."""
        ...

    @property
    def escalate(self) -> tuple[Escalation, ...]:
        """What it is in later iterations where neither the task nor the run says so."""
        ...

    def models(self, tasks: Sequence[PlannedTask], default: str) -> tuple[str, ...]:
        """The models that it may ask at the run's coder endpoint, whose prices a budget in dollars needs; `default` is
        the run's. Empty: it asks none there."""
        ...

    def least_tokens(
        self, planned: PlannedTask, prompts: Prompts, opening: Callable[[PromptStyle], str]
    ) -> int:
        """Estimated input tokens of a task's first model call, which begins with `opening`; 0: none that we see."""
        ...

    def coders(self, parts: RunParts) -> Coders:
        """Those of a run, from what it has; a kind takes what it needs."""
        ...
