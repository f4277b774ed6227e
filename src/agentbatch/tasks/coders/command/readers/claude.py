"""The stream-json of Claude Code (`claude -p --output-format stream-json --verbose`) and of Qwen Code."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentbatch.tasks.coders.command.readers.reader import (
    Ended,
    JsonReader,
    ReaderUpdate,
    Session,
    count,
    dollars,
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

ENDS = {"success": "end_turn", "error_max_turns": "max_turn_requests", "error_max_budget_usd": "cost"}


class ClaudeReader(JsonReader):
    def __init__(self) -> None:
        self._shells: set[str] = set()
        """Calls of a shell that it waits for, whose success is exit code 0."""

    def parse(self, document: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
        match document.get("type"):
            case "system" if document.get("subtype") == "init":
                version = text(document.get("claude_code_version")) or text(document.get("qwen_code_version"))
                yield Session(name(document.get("session_id")), version[:80])
            case "assistant":
                nested = bool(document.get("parent_tool_use_id"))  # of an agent that it has begun
                for block in mappings(mapping(document.get("message")).get("content")):
                    yield from self._said(block, nested)
            case "user":
                for block in mappings(mapping(document.get("message")).get("content")):
                    if block.get("type") == "tool_result":
                        yield self._result(block)
            case "result":
                yield from _end(document)

    def _said(self, block: Mapping[str, Any], nested: bool) -> Iterator[ReaderUpdate]:
        match block.get("type"):
            case "text" if not nested and text(block.get("text")):
                yield MessageChunk(text(block.get("text")) + "\n")
            case "thinking" if not nested and text(block.get("thinking")):
                yield MessageChunk(text(block.get("thinking")), thought=True)
            case "tool_use":
                tool, arguments = text(block.get("name")), mapping(block.get("input"))
                call = begun(name(block.get("id")), tool, arguments)
                if call is not None:
                    yield call
                waits = not (arguments.get("run_in_background") or arguments.get("is_background"))
                if isinstance(call, ToolCallUpdate) and KINDS.get(tool.lower()) == "execute" and waits:
                    self._shells.add(call.id)

    def _result(self, block: Mapping[str, Any]) -> ToolCallUpdate:
        call, failed = name(block.get("tool_use_id")), block.get("is_error") is True
        content = block.get("content")
        parts = [text(part.get("text")) for part in mappings(content)]
        output = text(content) or "\n".join(part for part in parts if part)
        code = exit_code_in(output)
        if code is None and call in self._shells and not failed:
            code = 0
        self._shells.discard(call)
        return ToolCallUpdate(
            id=call,
            status="failed" if failed else "completed",
            exit_code=code,
            output=output or None,
        )


def _end(document: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
    cost = dollars(document.get("total_cost_usd"))
    if cost is not None:
        yield CostUpdate(cost)
    usage = mapping(document.get("usage"))
    if usage:
        read, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
        new = count(usage, "input_tokens")
        yield UsageUpdate(new + read + written, count(usage, "output_tokens"), read, written)
    reason = ENDS.get(text(document.get("subtype")), "error")
    if document.get("is_error") is True and reason == "end_turn":
        reason = "error"
    problem = text(document.get("result")) or text(mapping(document.get("error")).get("message"))
    yield Ended(reason, "" if reason == "end_turn" else problem)
