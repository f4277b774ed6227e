"""What requests ask that do not say it themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentbatch.errors import UserError
from agentbatch.requests.spec.request import BatchRequest, response_format
from agentbatch.requests.spec.structured import schema_of

INSTRUCTS = ("system", "developer")
"""Roles that tell a model how to answer: newer models call the first one by the second name."""


@dataclass(frozen=True)
class Defaults:
    """A batch's settings for its requests."""

    model: str = ""
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    json_schema: Mapping[str, Any] | None = None

    def apply(self, request: BatchRequest) -> BatchRequest:
        """The request as it is sent. Raises UserError when there is no model for it, and for what cannot be answered:
        a schema that is none, a stream."""
        body = dict(request.body)
        if body.get("stream"):
            raise UserError(f"The request {request.id!r} asks for a stream: answers of a batch come whole.")
        if not body.get("model"):
            if not self.model:
                raise UserError(f"The request {request.id!r} names no model, and the batch has none either.")
            body["model"] = self.model
        if request.url.endswith("embeddings"):
            return request.model_copy(update={"body": body})
        if self.temperature is not None:
            body.setdefault("temperature", self.temperature)
        if self.max_tokens is not None and not {
            "max_tokens",
            "max_completion_tokens",
            "max_output_tokens",
        } & set(body):
            body["max_output_tokens" if request.url.endswith("responses") else "max_tokens"] = self.max_tokens
        messages = body.get("messages")
        if isinstance(messages, list):
            if self.system and not any(isinstance(m, dict) and m.get("role") in INSTRUCTS for m in messages):
                body["messages"] = [{"role": "system", "content": self.system}, *messages]
            if self.json_schema is not None:
                body.setdefault("response_format", response_format(self.json_schema))
            try:
                schema_of(body)
            except UserError as error:
                raise UserError(f"The request {request.id!r}: {error}") from None
        return request.model_copy(update={"body": body})
