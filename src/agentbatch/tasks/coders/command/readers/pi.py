"""The JSON lines of pi (`pi -p --mode json`)."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentbatch.tasks.coders.command.readers.reader import (
    Ended,
    JsonReader,
    ReaderUpdate,
    Session,
    count,
    dollars,
    exit_code,
    mapping,
    mappings,
    name,
    text,
)
from agentbatch.tasks.coders.external.updates.tools import KINDS, begun
from agentbatch.tasks.coders.external.updates.update import (
    CostUpdate,
    MessageChunk,
    ToolCallUpdate,
    UsageUpdate,
    exit_code_in,
)

ENDS = {"stop": "end_turn", "length": "max_tokens"}
"""By why its model's last answer ended."""


class PiReader(JsonReader):
    """Its model's last answer says how the turn ended, once it tries nothing more: at `agent_settled`, and before 1.0
    at the end of its output."""

    repeats: tuple[bytes, ...] = (b'{"type":"message_update"', b'{"type":"tool_execution_update"')
    """The whole answer so far, twice, with each word of it: 400 MB for an answer of 40 KB (pi 0.74)."""

    def __init__(self) -> None:
        self._last: Mapping[str, Any] = {}
        """Its model's last answer."""
        self._cost = 0.0
        self._tokens = UsageUpdate(0, 0)

    def parse(self, document: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
        message = mapping(document.get("message"))
        match document.get("type"):
            case "session":
                yield Session(name(document.get("id")), "pi")
            case "message_end" if message.get("role") == "assistant":
                yield from self._said(message)
            case "tool_execution_start":
                call = begun(
                    name(document.get("toolCallId")),
                    text(document.get("toolName")),
                    mapping(document.get("args")),
                )
                if call is not None:
                    yield call
            case "tool_execution_end":
                yield _result(document)
            case "agent_settled":
                yield from self._ended()

    def end(self, exit_code: int) -> Iterator[ReaderUpdate]:
        yield from self._ended()

    def _said(self, message: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
        self._last = message
        usage, before = mapping(message.get("usage")), self._tokens
        read, written = count(usage, "cacheRead"), count(usage, "cacheWrite")
        self._tokens = UsageUpdate(
            before.input + count(usage, "input") + read + written,
            before.output + count(usage, "output"),
            before.cached + read,
            before.written + written,
        )
        self._cost += dollars(mapping(usage.get("cost")).get("total")) or 0.0
        for block in mappings(message.get("content")):
            if block.get("type") == "text" and text(block.get("text")):
                yield MessageChunk(text(block.get("text")) + "\n")
            elif block.get("type") == "thinking" and text(block.get("thinking")):
                yield MessageChunk(text(block.get("thinking")), thought=True)

    def _ended(self) -> Iterator[ReaderUpdate]:
        last, self._last = self._last, {}
        if not last:
            return
        if self._cost:
            yield CostUpdate(self._cost)
        yield self._tokens
        reason = ENDS.get(text(last.get("stopReason")), "error")
        yield Ended(reason, text(last.get("errorMessage")) if reason == "error" else "")


def _result(document: Mapping[str, Any]) -> ToolCallUpdate:
    result, failed = mapping(document.get("result")), document.get("isError") is True
    parts = [text(part.get("text")) for part in mappings(result.get("content"))]
    output = "\n".join(part for part in parts if part)
    code = exit_code(mapping(result.get("structuredContent")).get("exit_code"))
    if code is None:
        code = exit_code_in(output)
    if code is None and not failed and KINDS.get(text(document.get("toolName")).lower()) == "execute":
        code = 0
    return ToolCallUpdate(
        id=name(document.get("toolCallId")),
        status="failed" if failed else "completed",
        exit_code=code,
        output=output or None,
    )
