"""What APIs whose answers are typed events have in common: Responses and Messages."""

from collections.abc import Callable, Mapping
from typing import Any

from agentbatch.gateway.apis.api import Body, Reader
from agentbatch.model.capabilities import Capabilities
from agentbatch.model.request.given_body import capped
from agentbatch.model.stream.typed_events import Form, TypedAnswer


class TypedApi:
    """See Api. They give their usage unasked, and are passed on as they are, but for a limit
    of output that the endpoint has refused."""

    form: type[Form]

    def sent(self, body: Body, capabilities: Capabilities) -> Body:
        return capped(body, capabilities.output_cap)

    def shown(self, part: bytes, asked: Mapping[str, Any]) -> bytes:
        return part

    def reader(self, on_tokens: Callable[[int], None]) -> Reader:
        return TypedAnswer(self.form(), on_tokens)
