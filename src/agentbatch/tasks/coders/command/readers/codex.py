"""The JSON lines of `codex exec --json`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agentbatch.patterns import regex
from agentbatch.tasks.coders.command.readers.reader import (
    Ended,
    JsonReader,
    ReaderUpdate,
    Session,
    count,
    exit_code,
    mapping,
    mappings,
    name,
    text,
)
from agentbatch.tasks.coders.external.updates.tools import planned
from agentbatch.tasks.coders.external.updates.update import MessageChunk, ToolCallUpdate, UsageUpdate

STATUSES = {"in_progress": "in_progress", "completed": "completed", "failed": "failed", "declined": "failed"}
KINDS = {
    "command_execution": "execute",
    "file_change": "edit",
    "mcp_tool_call": "other",
    "web_search": "fetch",
}


class CodexReader(JsonReader):
    def parse(self, document: Mapping[str, Any]) -> Iterator[ReaderUpdate]:
        match document.get("type"):
            case "thread.started":
                yield Session(name(document.get("thread_id")))
            case "item.started" | "item.updated" | "item.completed" as step:
                yield from _item(mapping(document.get("item")), step)
            case "turn.completed":
                usage = mapping(document.get("usage"))
                if usage:  # of the thread so far
                    read = count(usage, "cached_input_tokens")
                    yield UsageUpdate(count(usage, "input_tokens"), count(usage, "output_tokens"), read)
                yield Ended("end_turn")
            case "turn.failed":
                yield Ended("error", text(mapping(document.get("error")).get("message")))


def _item(item: Mapping[str, Any], step: str) -> Iterator[ReaderUpdate]:
    kind, over = text(item.get("type")), step == "item.completed"
    match kind:
        case "agent_message" | "reasoning" if over and text(item.get("text")):
            yield MessageChunk(text(item.get("text")) + "\n", thought=kind == "reasoning")
        case "todo_list":
            plan = planned(mappings(item.get("items")), "text")
            if plan is not None:
                yield plan
        case _ if kind in KINDS and name(item.get("id")):
            paths = tuple(text(one.get("path"))[:1000] for one in mappings(item.get("changes"))[:50])
            output = text(item.get("aggregated_output"))
            status = STATUSES.get(text(item.get("status")), "completed" if over else "in_progress")
            yield ToolCallUpdate(
                id=name(item.get("id")),
                begins=step == "item.started",
                title=text(item.get("query")) or text(item.get("tool")) or kind,
                kind=KINDS[kind],
                status=status if over else "in_progress",
                command=_command(text(item.get("command"))),
                exit_code=exit_code(item.get("exit_code")),
                output=output or None,
                paths=tuple(path for path in paths if path) or None,
            )


def _command(command: str) -> str | None:
    """What it gives its shell: it tells `bash -lc 'make'`, one word, of which parts may be quoted in their own ways."""
    for shell in ("/bin/bash -lc ", "bash -lc ", "/bin/zsh -lc ", "/bin/sh -c ", "sh -c "):
        inner = command.removeprefix(shell)
        if inner != command:
            return _unquoted(inner)
    return command or None


_PART = regex(r"""'([^']*+)'|"((?:[^"\\]|\\.)*+)"|([^\s'"\\]++)""", re.DOTALL)
_ESCAPED = regex(r"""\\([$`"\\])""")


def _unquoted(word: str) -> str:
    """What a shell makes of this word; as it is where it is none, or says nothing."""
    parts, place = [], 0
    while found := _PART.match(word, place):
        single, double, plain = found.groups()
        parts.append(_ESCAPED.sub(r"\1", double) if double is not None else single or plain or "")
        place = found.end()
    return "".join(parts) or word if place == len(word) else word
