"""What a run or a task may spend, has spent, and holds for calls under way. Pure: `budget.py` does the waiting."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from agentbatch.text import clip, money, tokens

Scope = Literal["run", "task"]

MAX_NAME = 80
"""Cells of a model's name in a sentence."""


class Amount(NamedTuple):
    """What one call takes, expected or billed."""

    tokens: int
    """Input and output."""
    cost: float | None
    """US dollars; None: the price is unknown."""


@dataclass
class Allowance:
    """One scope's money and tokens. None means no limit."""

    scope: Scope
    max_cost: float | None = None
    """US dollars."""
    max_tokens: int | None = None
    """Input and output."""
    spent_cost: float | None = 0.0
    """US dollars, earlier sessions of the run included; None: a part of it has no known price."""
    spent_tokens: int = 0
    held_cost: float = 0.0
    held_tokens: int = 0
    unsure_tokens: int = 0
    """Of `spent_tokens`: what calls that were given up may have had at most, beyond what is known of them."""
    under_way: int = 0
    """Calls that something is held for."""

    @property
    def limited(self) -> bool:
        return self.max_cost is not None or self.max_tokens is not None

    def refusal(self, call: Amount, model: str) -> str:
        """Why the call does not fit even when nothing is held for others, as a sentence; empty: it fits."""
        return self._cost_refusal(call, model) or self._tokens_refusal(call)

    def has_room(self, call: Amount) -> bool:
        """Whether a call that is not refused fits beside what is held for the others."""
        if self.max_cost is not None:
            cost = (self.spent_cost or 0.0) + self.held_cost + (call.cost or 0.0)
            if cost > self.max_cost:
                return False
        return (
            self.max_tokens is None or self.spent_tokens + self.held_tokens + call.tokens <= self.max_tokens
        )

    def hold(self, call: Amount) -> None:
        self.under_way += 1
        self.held_cost += call.cost or 0.0
        self.held_tokens += call.tokens

    def settle(self, held: Amount, billed: Amount, most: Amount | None = None) -> None:
        """The call that `held` was kept for is over and took `billed`, or, where that is not sure, `most` at most."""
        most = most or billed
        self.unsure_tokens += most.tokens - billed.tokens
        self.under_way -= 1
        # Not a difference at the end: sums of floats leave dust, and dust that no call has reserved is never settled.
        self.held_cost = self.held_cost - (held.cost or 0.0) if self.under_way else 0.0
        self.held_tokens -= held.tokens
        self.spent_tokens += most.tokens
        if self.spent_cost is not None:
            self.spent_cost = None if most.cost is None else self.spent_cost + most.cost

    def _cost_refusal(self, call: Amount, model: str) -> str:
        if self.max_cost is None:
            return ""
        limit = f"{self.scope}'s budget of {money(self.max_cost)}"
        if self.spent_cost is None:
            return (
                f"The {limit} cannot be held: what was spent before is unknown, since a model had no price."
            )
        if call.cost is None:
            name = clip(model, MAX_NAME)
            return f"The {limit} cannot be held: the price of {name} is unknown. Add it to prices.toml."
        if self.spent_cost < self.max_cost and self.spent_cost + call.cost <= self.max_cost:
            return ""
        more = f"; the next call takes about {money(call.cost)}" if self.spent_cost < self.max_cost else ""
        return f"The {limit} is used up ({money(self.spent_cost)} spent{self._unsure}{more})."

    def _tokens_refusal(self, call: Amount) -> str:
        if self.max_tokens is None:
            return ""
        if self.spent_tokens < self.max_tokens and self.spent_tokens + call.tokens <= self.max_tokens:
            return ""
        more = ""
        if self.spent_tokens < self.max_tokens:
            more = f"; the next call takes about {tokens(call.tokens)}"
        limit = f"{self.scope}'s budget of {tokens(self.max_tokens)} tokens"
        return f"The {limit} is used up ({tokens(self.spent_tokens)} used{self._unsure}{more})."

    @property
    def _unsure(self) -> str:
        if not self.unsure_tokens:
            return ""
        return f", {tokens(self.unsure_tokens)} tokens of it at most, for calls that were given up"
