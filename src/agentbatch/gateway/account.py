"""One task's coder at the gateway: what it may ask, how it is billed, and why it may ask no more."""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from agentbatch.model.endpoint import Endpoint
from agentbatch.model.reply import ModelError
from agentbatch.spending.billing import Billing
from agentbatch.spending.budget import BudgetExhausted


@dataclass(eq=False)
class Account:
    """Its `model` and `billing` may be changed between two calls: a stronger model takes over."""

    billing: Billing
    endpoint: Endpoint
    model: str
    stored: Callable[[], Awaitable[None]]
    """Waits until all that was billed before is on disk; raises OSError."""
    others: frozenset[str] = frozenset()
    """Models that the agent may name beside that. Whatever else it names (its "small, fast" one) is `model`."""
    ended: BudgetExhausted | ModelError | None = None
    """Why every call is refused from now on: the agent's turn ends, and whoever runs it raises this."""
    broken: int = 0
    """Streams that broke off in a row, after the agent had seen a part: it asks again itself."""
    fruitless: int = 0
    """Calls in a row that were not answered."""
    weight: int = 0
    """Bytes of memory that the requests under way take, about."""
    connections: int = 0
    calls: set["asyncio.Task[None]"] = field(default_factory=set)
    """Under way."""

    def named(self, name: object) -> str:
        """The model that is called where the agent asks for `name`."""
        return name if isinstance(name, str) and name in self.others else self.model


class Accounts:
    """Those that are open, each by its token."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, Account] = {}

    def __len__(self) -> int:
        return len(self._by_digest)

    def open(self, account: Account) -> str:
        token = f"sk-agentbatch-{secrets.token_urlsafe(32)}"
        self._by_digest[_digest(token)] = account
        return token

    def close(self, token: str) -> Account | None:
        return self._by_digest.pop(_digest(token), None)

    def find(self, token: str) -> Account | None:
        """Looked up by a digest: how long it takes says nothing about any token."""
        return self._by_digest.get(_digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
