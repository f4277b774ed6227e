"""OpenAI's chat completions."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from agentbatch.files import json_object
from agentbatch.gateway.apis.api import AnswerLimits, Body, Reader, count
from agentbatch.gateway.apis.events import events_of
from agentbatch.model.capabilities import Capabilities
from agentbatch.model.http.transport import NO_HEADERS, KeyForm
from agentbatch.model.request.given_body import LIMITS, fitted
from agentbatch.model.stream.sse import unwrapped
from agentbatch.model.stream.stream import StreamedAnswer


class ChatApi:
    """See Api."""

    path = "/chat/completions"
    key_form: KeyForm = "bearer"
    headers = NO_HEADERS

    def limits(self, body: Mapping[str, Any]) -> AnswerLimits:
        limits = [number for name in LIMITS if (number := count(body.get(name))) is not None]
        return AnswerLimits(max(limits, default=None), count(body.get("n")) or 1)

    def refusal(self, body: Mapping[str, Any]) -> str:
        """Some endpoints read "100" as a number: it would be counted as nothing here."""
        for name in (*LIMITS, "n"):
            if isinstance(body.get(name), str | bool | list | dict):
                return f"`{name}` is no number."
        return ""

    def sent(self, body: Body, capabilities: Capabilities) -> Body:
        """Its usage is asked for, and what the endpoint has refused before is left out."""
        body = fitted(body, capabilities, in_batch=True)
        if not body.get("stream"):
            return body
        if not capabilities.stream_usage:
            return {name: value for name, value in body.items() if name != "stream_options"}
        return {**body, "stream_options": {**_options(body), "include_usage": True}}

    def shown(self, part: bytes, asked: Mapping[str, Any]) -> bytes:
        """Without the chunk that has nothing but the usage, unless it was asked for."""
        if b'"usage"' not in part or _options(asked).get("include_usage"):
            return part
        return b"".join(event for event in events_of(part) if not _has_usage_alone(event))

    def reader(self, on_tokens: Callable[[int], None]) -> Reader:
        return StreamedAnswer(on_tokens)

    def error(self, status: int, message: str) -> Body:
        return openai_error(status, message)

    def error_event(self, message: str) -> bytes:
        return b"data: " + json.dumps(openai_error(500, message)).encode() + b"\n\n"


def openai_error(status: int, message: str) -> Body:
    """In OpenAI's shape, which their other APIs share."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = "invalid_api_key" if status == 401 else None
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _options(body: Mapping[str, Any]) -> Mapping[str, Any]:
    options = body.get("stream_options")
    return options if isinstance(options, dict) else {}


def _has_usage_alone(event: bytes) -> bool:
    chunk = json_object(unwrapped(event)) if b'"usage"' in event else None
    return chunk is not None and chunk.get("choices") == [] and isinstance(chunk.get("usage"), dict)
