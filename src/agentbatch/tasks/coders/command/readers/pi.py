"""The JSON lines of pi (`pi -p --mode json`)."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentbatch.tasks.coders.command.readers.told import (
    Ended,
    JsonReader,
    Session,
    Told,
    count,
    dollars,
    exit_code,
    mapping,
    mappings,
    name,
    text,
)
from agentbatch.tasks.coders.external.telling.happenings import CallTold, CostTold, Said, TokensTold, exit_in
from agentbatch.tasks.coders.external.telling.tools import KINDS, begun

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
        self._tokens = TokensTold(0, 0)

    def told(self, document: Mapping[str, Any]) -> Iterator[Told]:
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

    def end(self, exit_code: int) -> Iterator[Told]:
        yield from self._ended()

    def _said(self, message: Mapping[str, Any]) -> Iterator[Told]:
        self._last = message
        usage, before = mapping(message.get("usage")), self._tokens
        read, written = count(usage, "cacheRead"), count(usage, "cacheWrite")
        self._tokens = TokensTold(
            before.input + count(usage, "input") + read + written,
            before.output + count(usage, "output"),
            before.cached + read,
            before.written + written,
        )
        self._cost += dollars(mapping(usage.get("cost")).get("total")) or 0.0
        for block in mappings(message.get("content")):
            if block.get("type") == "text" and text(block.get("text")):
                yield Said(text(block.get("text")) + "\n")
            elif block.get("type") == "thinking" and text(block.get("thinking")):
                yield Said(text(block.get("thinking")), thought=True)

    def _ended(self) -> Iterator[Told]:
        last, self._last = self._last, {}
        if not last:
            return
        if self._cost:
            yield CostTold(self._cost)
        yield self._tokens
        reason = ENDS.get(text(last.get("stopReason")), "error")
        yield Ended(reason, text(last.get("errorMessage")) if reason == "error" else "")


def _result(document: Mapping[str, Any]) -> CallTold:
    result, failed = mapping(document.get("result")), document.get("isError") is True
    parts = [text(part.get("text")) for part in mappings(result.get("content"))]
    output = "\n".join(part for part in parts if part)
    code = exit_code(mapping(result.get("structuredContent")).get("exit_code"))
    if code is None:
        code = exit_in(output)
    if code is None and not failed and KINDS.get(text(document.get("toolName")).lower()) == "execute":
        code = 0
    return CallTold(
        id=name(document.get("toolCallId")),
        status="failed" if failed else "completed",
        exit_code=code,
        output=output or None,
    )
