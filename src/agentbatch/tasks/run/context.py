"""What every task of a run shares, and the making of one task's agents from it. No global state."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.reply import ToolSpec
from agentbatch.runs.events import Role
from agentbatch.runs.store.store import Store
from agentbatch.spending.budget import RunBudget, TaskBudget
from agentbatch.spending.pricing import Prices
from agentbatch.tasks.agents.definition import (
    DEFAULT_CONTEXT_WINDOW,
    CoderDefinition,
    EvaluatorDefinition,
    ModelParameters,
)
from agentbatch.tasks.agents.escalation import escalated
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.coders.builtin.coder import Coder
from agentbatch.tasks.evaluator.judge import ANSWER_ROOM, MARGIN, SMALL_WINDOW, Evaluator
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.workspace.tools.base import Toolbox
from agentbatch.workspace.workspace import Order, TaskWorkspace, Workspace, Workspaces

MAX_BRIEF_REPLY = 4096
"""Tokens that a small model's reply may have where nothing else is said."""


@dataclass(frozen=True)
class RoleModelConfig:
    """A role's endpoint and default model."""

    role: Role
    endpoint: Endpoint
    model: str
    pricing_url: str | None
    """The base URL whose prices hold; None for the rehearsal model, which has no price."""
    context_window: int | None = None
    """Tokens of the server's context, where it is known."""
    only_model: bool = False
    """The endpoint has this one model: a task's own choice is not heeded."""


@dataclass(frozen=True)
class RunContext:
    store: Store
    coder: RoleModelConfig
    evaluator: RoleModelConfig
    coder_definition: CoderDefinition
    evaluator_definition: EvaluatorDefinition
    toolbox: Toolbox
    specs: Sequence[ToolSpec]
    prompts: Prompts
    judged: bool
    """False: there is no evaluator, each task's own checks decide."""
    prices: Prices
    workspaces: Workspaces
    own_files: tuple[Path, ...]
    """What agentbatch itself reads: agents/, prompts/, .env and the like. A coder that changes them steers the next
    run, which is reported."""
    draining: Callable[[], bool]
    """The run is being interrupted: end after the iteration under way."""
    stop_cause: Callable[[], str]
    """Why the run stops before its end, as a sentence."""
    budget: RunBudget | None = None
    """None: neither the run nor its tasks have limits on what they spend."""
    gate: Callable[[str], Awaitable[None]] | None = None
    """Each task, by its id, passes it before each model call: what holds a paused one."""
    apply: bool = False
    """What a completed task changed in its copy is brought back into its directory."""

    async def open_workspace(self, planned: PlannedTask, *, resume: bool) -> TaskWorkspace:
        """`resume`: where an earlier session of the run left the task. Raises UserError, OSError."""
        return await self.workspaces.open(
            Order(
                task_id=planned.id,
                directory=str(planned.root),
                isolation=planned.isolation,
                env=planned.task.env,
                tools=self.coder_definition.tools,
                command_timeout=self.coder_definition.limits.command_timeout,
                resume=resume,
                repair=resume or self.store.state.tasks[planned.id].reruns > 0,
                apply=self.apply,
            )
        )

    def make_coder(self, planned: PlannedTask, workspace: Workspace) -> Coder:
        definition, info = self.coder_definition, workspace.info
        model = self._model(self.coder, planned, planned.task.coder_model)
        window = self._window(self.coder, definition.model, model)
        brief = self._is_brief(model.client, window)
        if brief:
            _keep_short(model.client, window)
        return Coder(
            task_id=planned.id,
            model=model,
            prompts=self.prompts,
            system_prompt=self.prompts.system(
                definition.brief_prompt if brief else definition.prompt,
                workdir=info.directory,
                system=info.system,
                sandbox=info.sandbox,
                network=info.network,
                tools=list(definition.tools),
                max_steps=definition.limits.steps,
            ),
            toolbox=self.toolbox,
            specs=self.specs,
            workspace=workspace,
            limits=definition.limits,
            context_window=window,
            emit=self.store.emit,
            flush=self.store.flush,
            redact=self.store.redact,
            task_timeout=planned.timeout,
            brief=brief,
            has_checks=bool(planned.task.verify),
        )

    def coder_model_for(self, planned: PlannedTask, iteration: int) -> str:
        """The coder's model in this iteration, counted from 1: a stronger one after some that were not accepted."""
        if self.coder.only_model:
            return self.coder.model
        first = planned.task.coder_model or self.coder.model
        return escalated(self.coder_definition.escalate, first, iteration)

    def escalate(self, coder: Coder, planned: PlannedTask, iteration: int) -> str:
        """Give the coder its model for this iteration. The model's name when that is another than it had, else
        empty."""
        name = self.coder_model_for(planned, iteration)
        if name == coder.model.client.model:
            return ""
        coder.model = self._model(self.coder, planned, name)
        coder.context_window = self._window(self.coder, self.coder_definition.model, coder.model)
        if coder.brief:
            _keep_short(coder.model.client, coder.context_window)
        return name

    def make_evaluator(self, planned: PlannedTask) -> Evaluator:
        definition = self.evaluator_definition
        model = self._model(self.evaluator, planned, planned.task.evaluator_model)
        window = self._window(self.evaluator, definition.model, model)
        brief = self._is_brief(model.client, window)
        if brief and model.client.max_output_tokens is None:
            model.client.max_output_tokens = max(ANSWER_ROOM, window // MARGIN)
        return Evaluator(
            task_id=planned.id,
            model=model if self.judged else None,
            prompts=self.prompts,
            system_prompt=self.prompts.system(definition.brief_prompt if brief else definition.prompt),
            brief=brief,
            limits=definition.limits,
            context_window=window,
            max_output_tokens=model.client.max_output_tokens,
            emit=self.store.emit,
            redact=self.store.redact,
        )

    def _window(self, player: RoleModelConfig, parameters: ModelParameters, model: RoleModel) -> int:
        """Tokens: the definition's figure, the server's own, the price list's, or what most models have."""
        known = parameters.context_window or player.context_window
        return known or self.prices.context_window(model.client.model) or DEFAULT_CONTEXT_WINDOW

    def _is_brief(self, client: ModelClient, window: int) -> bool:
        """A model for few and plain words: its window is small, or it is told of its tools in text."""
        text = client.endpoint.capabilities(client.model).tool_mode == "text"
        return text or window <= SMALL_WINDOW

    def _model(self, player: RoleModelConfig, planned: PlannedTask, model: str | None) -> RoleModel:
        parameters = (
            self.coder_definition.model if player.role == "coder" else self.evaluator_definition.model
        )
        client = ModelClient(
            player.endpoint,
            player.model if player.only_model else model or player.model,
            temperature=parameters.temperature,
            max_output_tokens=parameters.max_output_tokens,
        )
        return RoleModel(
            client,
            player.role,
            planned.id,
            self.store.emit,
            self.prices,
            player.pricing_url,
            budget=self._budget(planned),
            gate=None if self.gate is None else partial(self.gate, planned.id),
        )

    def _budget(self, planned: PlannedTask) -> TaskBudget | None:
        """The task's part of the run's budget, less what earlier sessions spent on it."""
        if self.budget is None:
            return None
        before = self.store.state.tasks.get(planned.id)
        return self.budget.task(
            planned.id,
            max_cost=planned.max_cost,
            max_tokens=planned.max_tokens,
            spent_cost=before.cost if before is not None else 0.0,
            spent_tokens=before.usage.total if before is not None else 0,
        )


def _keep_short(client: ModelClient, window: int) -> None:
    """Limit a small model's replies: one that does not find the end of its answer would fill the whole window."""
    if client.max_output_tokens is None:
        client.max_output_tokens = min(MAX_BRIEF_REPLY, max(ANSWER_ROOM, window // 4))
