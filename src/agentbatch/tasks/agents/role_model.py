"""A role's model as its agent uses it: every call becomes events, with its usage and its price."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agentbatch.model.capabilities import ToolMode
from agentbatch.model.client import ModelClient
from agentbatch.model.reply import Message, Observer, Reply, ToolSpec
from agentbatch.model.tokens import estimate_messages
from agentbatch.runs import events as e
from agentbatch.spending.billing import Billing, CallRequest
from agentbatch.usage import Usage

Purpose = e.Purpose


@dataclass
class RoleModel:
    """One role's model within one task."""

    client: ModelClient
    billing: Billing
    used_mode: ToolMode = "native"
    """The form of the latest reply's calls; other tasks may have stepped down since."""

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        purpose: Purpose,
        tools: Sequence[ToolSpec] | None = None,
        schema: tuple[str, dict[str, Any]] | None = None,
        temperature: float | None = None,
        input_tokens: int | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Reply:
        """One call, as `ModelClient.complete`; raises its ModelError, and what the budget raises when it is used up.
        While the endpoint's quota is used up, it waits, if that is allowed. `before`: called when nothing holds the
        call any more; what it adds to `messages` goes out with them."""
        client = self.client
        size = estimate_messages(messages, tools) if input_tokens is None else input_tokens

        async def make(observer: Observer) -> Reply:
            if before is not None:
                await before()
            return await client.complete(
                messages,
                tools=tools,
                schema=schema,
                temperature=temperature,
                observer=observer,
                input_tokens=size,
            )

        asked = CallRequest(client.model, lambda: size, client.max_output_tokens, purpose=purpose)
        reply = await self.billing.call(asked, make)
        self.used_mode = reply.tool_mode
        return reply

    def step_down(self, why: str) -> bool:
        """Have this model's tools called in a simpler form from now on; false when there is none, or when the user
        has chosen."""
        return self.client.endpoint.step_down(self.client.model, self.used_mode, why)

    @property
    def tool_mode(self) -> ToolMode:
        """The form in which this model's tools are called now."""
        return self.client.endpoint.capabilities(self.client.model).tool_mode

    def cost(self, usage: Usage) -> float | None:
        """US dollars for `usage` at this role's price; None when it is unknown."""
        return self.billing.cost(self.client.model, usage)
