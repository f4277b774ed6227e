"""The builtin coder behind the door of coder.py: a model that we call, with our tools."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from agentbatch.config import BUILTIN
from agentbatch.model.client import ModelClient
from agentbatch.model.reply import ToolSpec
from agentbatch.tasks.agents.named_files import named_files
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.agents.role_models import ANSWER_ROOM, RunParts, is_weak
from agentbatch.tasks.coders.builtin.action_words import action_words
from agentbatch.tasks.coders.builtin.agent import Agent
from agentbatch.tasks.coders.builtin.definition import CoderDefinition
from agentbatch.tasks.coders.builtin.served_tools import ServedTools
from agentbatch.tasks.coders.builtin.stored_turn import StoredTurn, stored_turn
from agentbatch.tasks.coders.builtin.toolbox import select_tools
from agentbatch.tasks.coders.builtin.turn import resume_turn, run_turn
from agentbatch.tasks.coders.coder import Assignment, PromptStyle, TurnOutcome, WorkLog
from agentbatch.tasks.spec.escalation import Stage
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.tools.base import Toolbox
from agentbatch.workspace.tools.toolbox import specs

MAX_WEAK_REPLY = 4096
"""Tokens that a weak model's reply may have where nothing else is said."""


@dataclass
class BuiltinCoder:
    """One task's coder; see `Coder`."""

    agent: Agent
    coders: "BuiltinCoders"
    planned: PlannedTask
    weak_model: bool
    stored: StoredTurn | None = None
    """The turn that `resume` continues."""
    served: ServedTools | None = None
    """Tools of servers; None: the task has no servers."""

    @property
    def work(self) -> WorkLog:
        return self.agent.work

    @property
    def style(self) -> PromptStyle:
        return PromptStyle(action_words(self.agent.model.tool_mode), self.weak_model)

    async def turn(self, prompt: str, *, fresh: bool = False) -> TurnOutcome:
        async with self._at_hand():
            return await run_turn(self.agent, prompt, fresh=fresh)

    def _at_hand(self) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self.served is None else self.served.at_hand()

    async def resume(self, prompt: str) -> TurnOutcome:
        stored, self.stored = self.stored, None
        if stored is None or not any(m["role"] == "user" for m in self.agent.conversation.messages):
            return await self.turn(prompt)  # a kill came before the prompt was stored
        async with self._at_hand():
            return await resume_turn(self.agent, stored)

    def strengthen(self, iteration: int) -> str:
        stage, before = self.coders.stage(self.planned, iteration), self.agent.model.client
        model, window = self.coders.make_model(self.planned, stage)
        if (model.client.model, model.client.temperature) == (before.model, before.temperature):
            return ""
        self.agent.model, self.agent.context_window = model, window
        if self.weak_model:
            _keep_short(model.client, window)
        return model.client.model if model.client.model != before.model else ""

    def transcript(self) -> Sequence[Mapping[str, Any]]:
        return self.agent.conversation.messages

    async def close(self) -> None:
        """Nothing of it outlives its turns but servers of tools."""
        if self.served is not None:
            await self.served.close()


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
        models = (config.model,) if config.only_model else coder_models(tasks, config.model)
        await self.parts.modes.settle(config.endpoint, models, self.specs, config.api)

    def make(self, assignment: Assignment) -> BuiltinCoder:
        parts, planned, state = self.parts, assignment.task, assignment.state
        definition, info = self.definition, assignment.workspace.info
        model, window = self.make_model(planned, self.stage(planned, 1))
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
                servers=list(planned.servers),
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
            numbers=assignment.numbers,
            user_messages=assignment.user_messages,
            has_checks=assignment.has_checks,
            # A small model that has written all goes on writing it (measured: docs/models.md).
            whole=named_files(planned.task.first_prompt) if weak and assignment.has_checks else frozenset(),
        )
        agent.restore(*assignment.conversation, assignment.seconds_before)
        served = ServedTools(agent, planned.servers, state) if planned.servers else None
        if state is None:
            return BuiltinCoder(agent, self, planned, weak, served=served)
        for trace in state.tools:
            agent.note(*trace)
        return BuiltinCoder(agent, self, planned, weak, stored_turn(state.turn), served)

    def stage(self, planned: PlannedTask, iteration: int) -> Stage:
        """What the coder is in this iteration, counted from 1: another after some that were not accepted."""
        return planned.stage(self.parts.coder_model.model, iteration)

    def make_model(self, planned: PlannedTask, stage: Stage) -> tuple[RoleModel, int]:
        """The model and its context window, in tokens."""
        models, config, parameters = self.parts.models, self.parts.coder_model, self.definition.model
        model = models.make(config, parameters, planned, stage.model, stage.temperature)
        return model, models.window(config, parameters, model)


def coder_models(tasks: Iterable[PlannedTask], default: str) -> tuple[str, ...]:
    """Every model that may be asked as a coder, each once, the run's own first: for prices and tool modes. A task that
    is the choice of its attempts asks none itself."""
    own = (model for task in tasks if not task.after for model in task.coder_models(default, BUILTIN))
    return tuple(dict.fromkeys((default, *own)))


def _keep_short(client: ModelClient, window: int) -> None:
    """Limit a weak model's replies: one that does not find the end of its answer would fill the whole window."""
    if client.max_output_tokens is None:
        client.max_output_tokens = min(MAX_WEAK_REPLY, max(ANSWER_ROOM, window // 4))
