"""OpenAI's Responses."""

import json
from collections.abc import Mapping
from typing import Any

from agentbatch.gateway.apis.api import AnswerLimits, Body, count
from agentbatch.gateway.apis.chat import openai_error
from agentbatch.gateway.apis.typed_api import TypedApi
from agentbatch.model.http.transport import NO_HEADERS, KeyForm
from agentbatch.model.responses.form import ResponsesForm


class ResponsesApi(TypedApi):
    """See Api."""

    form = ResponsesForm
    path = "/responses"
    key_form: KeyForm = "bearer"
    headers = NO_HEADERS

    def limits(self, body: Mapping[str, Any]) -> AnswerLimits:
        return AnswerLimits(count(body.get("max_output_tokens")))

    def refusal(self, body: Mapping[str, Any]) -> str:
        if body.get("background"):
            return "Responses in the background are not passed on: nobody would be here to count them."
        return ""

    def error(self, status: int, message: str) -> Body:
        return openai_error(status, message)

    def error_event(self, message: str) -> bytes:
        error = {"code": "server_error", "message": message}
        response = {
            "id": "resp_failed",
            "object": "response",
            "status": "failed",
            "error": error,
            "output": [],
        }
        event = {"type": "response.failed", "sequence_number": 0, "response": response}
        return b"event: response.failed\ndata: " + json.dumps(event).encode() + b"\n\n"
