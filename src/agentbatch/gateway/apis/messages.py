"""Anthropic's Messages."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from agentbatch.gateway.apis.api import AnswerLimits, Body, count
from agentbatch.gateway.apis.typed_api import TypedApi
from agentbatch.model.answer.answer import GarbageError, raise_error
from agentbatch.model.answer.finish_reasons import finish_reason
from agentbatch.model.answer.reported_usage import usage_of_messages
from agentbatch.model.http.transport import KeyForm
from agentbatch.model.stream.typed_events import Document, EventContent
from agentbatch.usage import Usage

KINDS = {
    401: "authentication_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}
"""The type of an error by its status; other 4xx are `invalid_request_error`, other 5xx `api_error`."""

TEXTS = ("text", "partial_json", "thinking")
"""Fields of a delta with something of the answer."""


class _Form:
    """See Form."""

    def event(self, document: Document) -> EventContent:
        kind, delta, message = document.get("type"), document.get("delta"), document.get("message")
        if kind == "error" or document.get("error"):
            raise_error(document)
        if kind == "message_start":
            return EventContent(counts=_counts(message))
        if kind == "message_delta":
            return EventContent(part=True, counts=_counts(document), reason=_reason(delta))
        texts = (delta.get(name) for name in TEXTS) if isinstance(delta, Mapping) else ()
        return EventContent(
            part=kind == "message_stop" or str(kind).startswith("content_block_"),
            text="".join(text for text in texts if isinstance(text, str)),
            last=kind == "message_stop",
        )

    def whole(self, document: Document) -> EventContent:
        if not isinstance(document.get("content"), list):
            raise_error(document)
            raise GarbageError("a document without content")
        return EventContent(part=True, counts=_counts(document), reason=_reason(document) or "stop")

    def usage(self, counts: Document) -> Usage | None:
        return usage_of_messages(dict(counts))


class MessagesApi(TypedApi):
    """See Api."""

    form = _Form
    path = "/messages"
    key_form: KeyForm = "anthropic"
    headers = MappingProxyType({"anthropic-version": "2023-06-01", "anthropic-beta": ""})

    def limits(self, body: Mapping[str, Any]) -> AnswerLimits:
        return AnswerLimits(count(body.get("max_tokens")))

    def refusal(self, body: Mapping[str, Any]) -> str:
        return ""

    def error(self, status: int, message: str) -> Body:
        kind = KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": message}}

    def error_event(self, message: str) -> bytes:
        return b"event: error\ndata: " + json.dumps(self.error(500, message)).encode() + b"\n\n"


def _counts(told: object) -> Document | None:
    counts = told.get("usage") if isinstance(told, Mapping) else None
    return counts if isinstance(counts, Mapping) else None


def _reason(stopped: object) -> str:
    return finish_reason(stopped.get("stop_reason")) if isinstance(stopped, Mapping) else ""
