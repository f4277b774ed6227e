"""The builtin coder behind the door of coder.py: a model that we call, with our tools."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentbatch.model.client import ModelClient
from agentbatch.model.reply import ToolSpec
from agentbatch.tasks.agents.named_files import named_files
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.agents.role_models import ANSWER_ROOM, RunParts, is_weak
from agentbatch.tasks.coders.builtin.action_words import action_words
from agentbatch.tasks.coders.builtin.agent import Agent
from agentbatch.tasks.coders.builtin.definition import CoderDefinition
from agentbatch.tasks.coders.builtin.stored_turn import StoredTurn, stored_turn, tool_traces
from agentbatch.tasks.coders.builtin.toolbox import select_tools
from agentbatch.tasks.coders.builtin.turn import resume_turn, run_turn
from agentbatch.tasks.coders.coder import Assignment, PromptStyle, TurnOutcome, WorkLog
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.tools.base import Toolbox
from agentbatch.workspace.tools.toolbox import specs

MAX_WEAK_REPLY = 4096
"""Tokens that a weak model's reply may have where nothing else is said."""

GENERATIONS = 1_000_000
"""More than a task's conversations ever have: each time that it begins again, its numbers start behind these."""


@dataclass
class BuiltinCoder:
    """One task's coder; see `Coder`."""

    agent: Agent
    coders: "BuiltinCoders"
    planned: PlannedTask
    weak_model: bool
    stored: StoredTurn | None = None
    """The turn that `resume` continues."""

    @property
    def work(self) -> WorkLog:
        return self.agent.work

    @property
    def style(self) -> PromptStyle:
        return PromptStyle(action_words(self.agent.model.tool_mode), self.weak_model)

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        return await run_turn(self.agent, prompt, fresh=fresh)

    async def resume(self, prompt: str) -> TurnOutcome:
        stored, self.stored = self.stored, None
        if stored is None or not any(m["role"] == "user" for m in self.agent.conversation.messages):
            return await self.turn(prompt)  # a kill came before the prompt was stored
        return await resume_turn(self.agent, stored)

    def strengthen(self, iteration: int) -> str:
        name = self.coders.model_for(self.planned, iteration)
        if name == self.agent.model.client.model:
            return ""
        self.agent.model, self.agent.context_window = self.coders.make_model(self.planned, name)
        if self.weak_model:
            _keep_short(self.agent.model.client, self.agent.context_window)
        return name

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        return self.agent.conversation.messages

    async def close(self) -> None:
        """Nothing of it outlives its turns."""


class BuiltinCoders:
    """Makes the builtin coder of each task; see `Coders`."""

    def __init__(self, parts: RunParts, definition: CoderDefinition) -> None:
        self.parts = parts
        self.definition = definition
        self.toolbox: Toolbox = select_tools(definition.tools)
        self.specs: list[ToolSpec] = specs(self.toolbox)
        """The tools as the model gets them; made once a run."""
        self.tools = definition.tools
        self.command_timeout = float(definition.limits.command_timeout)

    async def start(self, tasks: Sequence[PlannedTask]) -> None:
        """Settle how each model calls tools."""
        config = self.parts.coder_model
        if config.pricing_url is None:
            return  # the rehearsal model
        models = (config.model,) if config.only_model else self.definition.models(tasks, config.model)
        await self.parts.modes.settle(config.endpoint, models, self.specs)

    def make(self, assignment: Assignment) -> BuiltinCoder:
        parts, planned, state = self.parts, assignment.task, assignment.state
        definition, info = self.definition, assignment.workspace.info
        model, window = self.make_model(planned, planned.task.coder_model)
        weak = is_weak(model, window)
        if weak:
            _keep_short(model.client, window)
        agent = Agent(
            task_id=planned.id,
            model=model,
            prompts=parts.prompts,
            system_prompt=parts.prompts.system(
                definition.brief_prompt if weak else definition.prompt,
                workdir=info.directory,
                system=info.system,
                sandbox=info.sandbox,
                network=info.network,
                tools=list(definition.tools),
                max_steps=definition.limits.steps,
            ),
            toolbox=self.toolbox,
            specs=self.specs,
            workspace=assignment.workspace,
            limits=definition.limits,
            context_window=window,
            emit=parts.store.emit,
            stored=parts.store.stored,
            redact=parts.store.redact,
            task_timeout=planned.timeout,
            has_checks=assignment.has_checks,
            # A small model that has written all goes on writing it (measured: docs/models.md).
            whole=named_files(planned.task.first_prompt) if weak and assignment.has_checks else frozenset(),
        )
        if state is None:
            agent.restore(assignment.reruns * GENERATIONS, seconds=assignment.seconds_before)
            return BuiltinCoder(agent, self, planned, weak)
        first = assignment.reruns * GENERATIONS
        messages = state.messages if state.generation >= first else ()  # else of an earlier time
        agent.restore(max(state.generation, first), messages, assignment.seconds_before)
        for trace in tool_traces(state.events):
            agent.note(trace.changed, trace.command, trace.file)
        return BuiltinCoder(agent, self, planned, weak, stored_turn(state.turn))

    def model_for(self, planned: PlannedTask, iteration: int) -> str:
        """The coder's model in this iteration, counted from 1: a stronger one after some that were not accepted."""
        config = self.parts.coder_model
        if config.only_model:
            return config.model
        return self.definition.model_for(planned.task.coder_model or config.model, iteration)

    def make_model(self, planned: PlannedTask, name: str | None) -> tuple[RoleModel, int]:
        """The model and its context window, in tokens."""
        models, config, parameters = self.parts.models, self.parts.coder_model, self.definition.model
        model = models.make(config, parameters, planned, name)
        return model, models.window(config, parameters, model)


def _keep_short(client: ModelClient, window: int) -> None:
    """Limit a weak model's replies: one that does not find the end of its answer would fill the whole window."""
    if client.max_output_tokens is None:
        client.max_output_tokens = min(MAX_WEAK_REPLY, max(ANSWER_ROOM, window // 4))
