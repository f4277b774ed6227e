"""What a response of /v1/responses, or an event of its stream, says. Untrusted throughout."""

from collections.abc import Mapping

from agentbatch.model.answer.answer import CutError, GarbageError, raise_error
from agentbatch.model.answer.finish_reasons import finish_reason
from agentbatch.model.answer.reported_usage import usage_of
from agentbatch.model.stream.typed_events import Document, EventContent
from agentbatch.usage import Usage

BEFORE = ("response.created", "response.in_progress", "response.queued")
"""Events that come before anything of the answer: until then it may still be refused."""

CALLS = ("function_call", "custom_tool_call", "local_shell_call")


class ResponsesForm:
    """See Form."""

    def event(self, document: Document) -> EventContent:
        kind, response = document.get("type"), document.get("response")
        if kind == "error" or document.get("error"):
            raise_error({"error": document.get("error") or dict(document)})
        if kind is None and "choices" in document:
            raise GarbageError("a stream of chat completions where a response was asked for")
        if not isinstance(kind, str) or not kind.startswith("response.") or kind in BEFORE:
            return EventContent()
        if isinstance(response, Mapping) and kind.count(".") == 1:
            return self._ended(response)._replace(last=True)
        text = document.get("delta")
        return EventContent(part=True, text=text if kind.endswith(".delta") and isinstance(text, str) else "")

    def whole(self, document: Document) -> EventContent:
        if not isinstance(document.get("output"), list):
            raise_error(document)
            raise GarbageError("a document without output")
        return self._ended(document)

    def usage(self, counts: Document) -> Usage | None:
        return usage_of(dict(counts))

    def _ended(self, response: Document) -> EventContent:
        """What a response says at its end."""
        status, details = response.get("status"), response.get("incomplete_details")
        if status == "failed" or response.get("error"):
            raise_error({"error": response.get("error") or "the response failed"})
        if status in ("cancelled", "queued", "in_progress"):
            raise CutError(f"the endpoint gave up in the middle of its answer ({status})")
        reason = finish_reason(details.get("reason")) if isinstance(details, Mapping) else ""
        counts = response.get("usage")
        output = response.get("output")
        called = isinstance(output, list) and any(
            isinstance(item, Mapping) and item.get("type") in CALLS for item in output
        )
        reason = reason or ("length" if status == "incomplete" else "tool_calls" if called else "stop")
        return EventContent(part=True, counts=counts if isinstance(counts, Mapping) else None, reason=reason)
