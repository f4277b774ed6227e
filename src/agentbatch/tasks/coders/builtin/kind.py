"""The builtin coder before a run: its definition, its models, the least that it takes."""

from collections.abc import Callable, Sequence
from pathlib import Path

from agentbatch.model.tokens import estimate_messages
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.builtin.action_words import action_words
from agentbatch.tasks.coders.builtin.coder import BuiltinCoders, coder_models
from agentbatch.tasks.coders.builtin.definition import load_coder
from agentbatch.tasks.coders.builtin.toolbox import select_tools
from agentbatch.tasks.coders.coder import PromptStyle
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.tools.toolbox import specs


class BuiltinKind:
    """See `CoderKind` in makers.py."""

    def __init__(self, folder: Path) -> None:
        self.definition = load_coder(folder)
        self.prompts = self.definition.prompts
        self.escalate = self.definition.escalate
        self._specs = specs(select_tools(self.definition.tools))

    def models(self, tasks: Sequence[PlannedTask], default: str) -> tuple[str, ...]:
        return coder_models(tasks, default)

    def least_tokens(
        self, planned: PlannedTask, prompts: Prompts, opening: Callable[[PromptStyle], str]
    ) -> int:
        system = prompts.system(
            self.definition.prompt,
            workdir=str(planned.root),
            system="",
            sandbox="none",
            network=True,
            tools=list(self.definition.tools),
            servers=list(planned.servers),
            max_steps=self.definition.limits.steps,
        )
        first = opening(PromptStyle(action_words("native")))
        messages = [{"role": "system", "content": system}, {"role": "user", "content": first}]
        return estimate_messages(messages, self._specs)

    def coders(self, parts: RunParts) -> BuiltinCoders:
        return BuiltinCoders(parts, self.definition)
