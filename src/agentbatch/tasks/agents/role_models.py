"""What coders and evaluators are made of: each role's endpoint and definition, and the models of one task."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from agentbatch.config import BUILTIN, ApiChoice
from agentbatch.gateway.account import Account
from agentbatch.gateway.gateway import Gateway
from agentbatch.model.client import ModelClient
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.limits.quota import QuotaGate
from agentbatch.runs.events import Role
from agentbatch.runs.store.store import Store
from agentbatch.spending.billing import Billing
from agentbatch.spending.budget import RunBudget, TaskBudget
from agentbatch.spending.pricing import Prices
from agentbatch.tasks.agents.definition import (
    DEFAULT_CONTEXT_WINDOW,
    EvaluatorDefinition,
    ModelParameters,
)
from agentbatch.tasks.agents.prompts import Prompts
from agentbatch.tasks.agents.role_model import RoleModel
from agentbatch.tasks.agents.tool_modes import ToolModes
from agentbatch.tasks.spec.plan import PlannedTask
from agentbatch.tasks.spec.task import AttemptSpec

SMALL_WINDOW = 16_384
"""Tokens. A model with a window up to this is a weak one."""
ANSWER_ROOM = 1024
"""Tokens that an answer needs at least; a long verdict takes 600."""


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
    """The endpoint has this one model: a task's own choice is ignored."""
    others: re.Pattern[str] | None = None
    """The names of what it has beside that; None: any."""
    api: ApiChoice = "auto"

    def named(self, name: str | None) -> str:
        """The model that is called where a task asks for `name`, if it does."""
        strange = name is not None and self.others is not None and self.others.fullmatch(name) is None
        return self.model if self.only_model or strange else name or self.model


class RoleModels(NamedTuple):
    """Makes the models that one task's agents call: they share the task's budget, and stop while it is paused."""

    store: Store
    prices: Prices
    budget: RunBudget | None = None
    """None: neither the run nor its tasks have limits on what they spend."""
    gate: Callable[[str, QuotaGate], Awaitable[None]] | None = None
    """Each task, by its id, passes it before each model call: it stops a paused one, and one whose quota is used up."""

    def make(
        self,
        config: RoleModelConfig,
        parameters: ModelParameters,
        planned: PlannedTask,
        name: str | None,
        temperature: float | None = None,
    ) -> RoleModel:
        """`name`: the model that the task asks for, if it does; `temperature`: of this iteration, if it has one."""
        special = (planned.attempt if config.role == "coder" else None) or AttemptSpec()
        client = ModelClient(
            config.endpoint,
            config.named(name),
            temperature=_first(temperature, special.temperature, parameters.temperature),
            seed=special.seed,
            max_output_tokens=parameters.max_output_tokens,
            reasoning_effort=parameters.reasoning_effort,
            api=config.api,
        )
        return RoleModel(client, self.billing(config, planned, client.model))

    def billing(
        self, config: RoleModelConfig, planned: PlannedTask, model: str, coder: str = BUILTIN
    ) -> Billing:
        """How the calls of this role are billed in one task; `model`: the one that it calls; `coder`: which."""
        codes = config.role == "coder"
        next_coder = planned.next_coder(coder) if codes else ""
        strongest = config.named(planned.strongest(config.model)) if codes and not next_coder else model
        return Billing(
            config.role,
            planned.id,
            self.store.emit,
            config.endpoint.quota,
            self.prices,
            config.pricing_url,
            budget=self._budget(planned),
            own_choice=model != config.model,
            stronger="" if strongest == model else strongest,
            coder="" if coder == BUILTIN else coder,
            next_coder=next_coder,
            gate=None if self.gate is None else partial(self.gate, planned.id),
        )

    def account(
        self, config: RoleModelConfig, planned: PlannedTask, name: str | None, coder: str = BUILTIN
    ) -> Account:
        """What an agent of somebody else's calls through the gateway in one task; `name` as in `make`."""
        model = config.named(name)
        return Account(self.billing(config, planned, model, coder), config.endpoint, model, self.store.stored)

    def window(self, config: RoleModelConfig, parameters: ModelParameters, model: RoleModel) -> int:
        """Tokens: the definition's figure, the server's own, the price list's, or what most models have."""
        known = parameters.context_window or config.context_window
        return known or self.prices.context_window(model.client.model) or DEFAULT_CONTEXT_WINDOW

    def _budget(self, planned: PlannedTask) -> TaskBudget | None:
        """The task's part of the run's budget, less what earlier sessions spent on it; its attempts share it, unless
        models are compared: then what one has spent is not taken from another."""
        if self.budget is None:
            return None
        whole = planned.id if planned.compared else planned.attempt_of or planned.id
        before = self.store.state.by_id.get(whole)
        return self.budget.task(
            whole,
            max_cost=planned.max_cost,
            max_tokens=planned.max_tokens,
            spent_cost=before.cost if before is not None else 0.0,
            spent_tokens=before.usage.total if before is not None else 0,
        )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def is_weak(model: RoleModel, window: int) -> bool:
    """A model for few and plain words: its window is small, or its tools are described to it in text."""
    return model.tool_mode == "text" or window <= SMALL_WINDOW


@dataclass(frozen=True)
class RunParts:
    """All of it; a coder or an evaluator takes what it needs."""

    store: Store
    models: RoleModels
    modes: ToolModes
    prompts: Prompts
    coder_model: RoleModelConfig
    evaluator: EvaluatorDefinition
    evaluator_model: RoleModelConfig
    judged: bool
    """False: no model judges, each task's own checks decide."""
    gateway: Gateway = field(default_factory=Gateway)
    """For coders that call models themselves; it listens once one of them has started it."""
    own_files: tuple[Path, ...] = ()
    """What agentbatch itself reads: agents/, prompts/, .env and the like. A coder that changes them steers the next
    run, which is reported."""
