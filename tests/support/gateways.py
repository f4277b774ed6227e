"""A gateway before an upstream, with an open account and what was told of its calls."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from agentbatch.gateway.account import Account
from agentbatch.gateway.gateway import Gateway
from agentbatch.model.endpoint import Endpoint
from agentbatch.model.failures.retry import RetryPolicy
from agentbatch.model.limits.limits import EndpointLimits
from agentbatch.runs import events as e
from agentbatch.spending.billing import Billing
from agentbatch.spending.budget import TaskBudget
from agentbatch.spending.pricing import Prices
from tests.support.keys import KEY

PRICES = """
[models."coder"]
input = 1.0
cached = 0.1
output = 10.0
"""


async def _nothing() -> None:
    pass


@dataclass
class Desk:
    """Its `session` is the agents' HTTP client."""

    endpoint: Endpoint
    gateway: Gateway
    session: aiohttp.ClientSession
    prices: Prices
    told: list[Any] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, base_url: str, tmp_path: Path, **settings: Any) -> AsyncIterator[Self]:
        (tmp_path / "prices.toml").write_text(PRICES, encoding="utf-8")
        settings.setdefault("limits", EndpointLimits())
        settings.setdefault("retry", RetryPolicy(delay=0.005, cap=0.02))
        settings.setdefault("redact", lambda text: text.replace(KEY, "[redacted]"))
        async with AsyncExitStack() as stack:
            endpoint = await stack.enter_async_context(Endpoint(base_url, KEY, **settings))
            gateway = Gateway()
            stack.push_async_callback(gateway.close)
            await gateway.start()
            session = await stack.enter_async_context(aiohttp.ClientSession())
            yield cls(endpoint, gateway, session, Prices.load(tmp_path / "prices.toml"))

    def account(self, budget: TaskBudget | None = None, *, model: str = "coder", **given: Any) -> Account:
        billing = Billing(
            given.pop("role", "coder"),
            given.pop("task_id", "t"),
            self.told.append,
            self.endpoint.quota,
            self.prices,
            "http://x/v1",
            budget=budget,
            gate=given.pop("gate", None),
        )
        return Account(billing, self.endpoint, model, given.pop("stored", _nothing), **given)

    def post(self, token: str, path: str, body: Any, **given: Any) -> Any:
        """An agent's request; `async with` it."""
        headers = {"Authorization": f"Bearer {token}", **given.pop("headers", {})}
        return self.session.post(f"{self.gateway.url}{path}", json=body, headers=headers, **given)

    async def ask(self, token: str, path: str, body: Any, **given: Any) -> tuple[int, Any]:
        """Status and document."""
        async with self.post(token, path, body, **given) as answer:
            return answer.status, await answer.json(content_type=None)

    def of_type(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]

    @property
    def finished(self) -> list[e.ModelCallFinished]:
        return self.of_type(e.ModelCallFinished)
