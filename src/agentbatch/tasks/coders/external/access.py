"""How an agent of somebody else's reaches its model: through the gateway, or by a login of its own."""

from typing import Protocol

from agentbatch.gateway.account import Account
from agentbatch.model.reply import ModelError
from agentbatch.spending.budget import BudgetExhausted
from agentbatch.tasks.agents.role_models import RunParts
from agentbatch.tasks.coders.external.program import ModelAddress
from agentbatch.tasks.spec.plan import PlannedTask


class Access(Protocol):
    """One task's."""

    @property
    def model(self) -> str:
        """The one that it reaches."""
        ...

    @property
    def ended(self) -> BudgetExhausted | ModelError | None:
        """Why its model answers no more; the turn ends with it."""
        ...

    @property
    def busy(self) -> bool:
        """The model is being asked, or a call of it waits for its turn: the agent has reason to be silent."""
        ...

    def model_address(self) -> ModelAddress:
        """Where the model is, for a program that starts now."""
        ...

    @property
    def counted(self) -> bool:
        """Its calls are billed as they are made; else only the program itself can tell of them."""
        ...

    def use(self, model: str) -> bool:
        """Another model from now on. True: the program itself has to be told."""
        ...

    def close(self) -> None:
        """Its calls are cut off, and no more are answered. Safe to repeat; `model_address` opens it again."""
        ...


class GatewayAccess:
    """Through the gateway of the run, which has started."""

    counted = True

    def __init__(self, parts: RunParts, planned: PlannedTask, model: str, coder: str) -> None:
        self._parts = parts
        self._coder = coder
        self._planned = planned
        self._model = model
        self._account: Account | None = None
        self._token = ""

    @property
    def model(self) -> str:
        return self._parts.coder_model.named(self._model)

    @property
    def ended(self) -> BudgetExhausted | ModelError | None:
        return self._account.ended if self._account is not None else None

    @property
    def busy(self) -> bool:
        return self._account is not None and bool(self._account.calls)

    def model_address(self) -> ModelAddress:
        parts = self._parts
        if self._account is None:
            self._account = parts.models.account(parts.coder_model, self._planned, self._model, self._coder)
            self._token = parts.gateway.open(self._account)
        return ModelAddress(self._account.model, parts.gateway.url, self._token, parts.gateway.port)

    def use(self, model: str) -> bool:
        self._model = model
        if self._account is not None:
            config, models = self._parts.coder_model, self._parts.models
            self._account.model = self.model
            self._account.billing = models.billing(config, self._planned, self.model, self._coder)
        return False

    def close(self) -> None:
        if self._account is not None:
            self._parts.gateway.close_account(self._token)
            self._account = None


class OwnAccess:
    """By a login of the program's own: nothing is known of what it asks."""

    ended: None = None
    busy = False
    counted = False

    def __init__(self, model: str) -> None:
        self.model = model

    def model_address(self) -> ModelAddress:
        return ModelAddress(self.model)

    def use(self, model: str) -> bool:
        before, self.model = self.model, model
        return model != before

    def close(self) -> None:
        """It is the program's own."""
