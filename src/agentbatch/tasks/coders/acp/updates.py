"""What an agent's updates say, in our words. Pure, and forgiving: agents differ, and none is trusted."""

import re
from collections.abc import Mapping
from typing import Any

from agentbatch.patterns import regex
from agentbatch.tasks.coders.external.updates.tools import KINDS
from agentbatch.tasks.coders.external.updates.update import (
    AgentUpdate,
    CostUpdate,
    MessageChunk,
    PlanUpdate,
    ToolCallUpdate,
    UsageUpdate,
    cut,
    exit_code_in,
)

MAX_PATHS = 50
MAX_ENTRIES = 50
MAX_ID = 200
MAX_COMMAND = 20_000


def read_update(update: Mapping[str, Any]) -> AgentUpdate | None:
    """The `update` of a `session/update`; None: it says nothing that is shown."""
    match update.get("sessionUpdate"):
        case "agent_message_chunk":
            text = _text(update.get("content"))
            return MessageChunk(text) if text else None
        case "agent_thought_chunk":
            text = _text(update.get("content"))
            return MessageChunk(text, thought=True) if text else None
        case "tool_call" | "tool_call_update":
            return _call(update)
        case "plan":
            entries = [one for one in _list(update.get("entries"))[:MAX_ENTRIES] if isinstance(one, dict)]
            return PlanUpdate(
                tuple((cut(str(one.get("content", "")), 500), str(one.get("status", ""))) for one in entries)
            )
        case "usage_update":
            cost = update.get("cost")
            amount = cost.get("amount") if isinstance(cost, dict) and cost.get("currency") == "USD" else None
            return (
                CostUpdate(float(amount)) if isinstance(amount, int | float) and 0 <= amount < 1e9 else None
            )
    return None


def read_usage(usage: object) -> UsageUpdate | None:
    """Of the answer to a prompt: a draft of the protocol, whose numbers are a turn's with some agents, the latest
    call's with others."""
    if not isinstance(usage, dict):
        return None

    def count(name: str) -> int:
        value = usage.get(name)
        return value if type(value) is int and 0 <= value < 1 << 40 else 0

    cached, written = count("cachedReadTokens"), count("cachedWriteTokens")
    return UsageUpdate(count("inputTokens") + cached + written, count("outputTokens"), cached, written)


def read_quota(meta: object) -> UsageUpdate | None:
    """As Gemini CLI tells a turn's instead, in the `_meta` of the same answer; what was cached it does not say."""
    quota = meta.get("quota") if isinstance(meta, dict) else None
    counts = quota.get("token_count") if isinstance(quota, dict) else None
    if not isinstance(counts, dict):
        return None
    return read_usage(
        {"inputTokens": counts.get("input_tokens"), "outputTokens": counts.get("output_tokens")}
    )


def _call(update: Mapping[str, Any]) -> ToolCallUpdate | None:
    name = update.get("toolCallId")
    if not isinstance(name, str) or not name:
        return None
    given, result = update.get("rawInput"), update.get("rawOutput")
    arguments = given if isinstance(given, dict) else None
    output = _output(update.get("content"), result)
    kind, title = _string(update.get("kind"), 40), _string(update.get("title"), 500)
    tool = _string(update.get("name"), MAX_ID) or _tool(update.get("_meta"))
    if kind is None and tool:
        kind = KINDS.get(tool.lower())  # goose tells none
    command = _command(arguments or {}) or _quoted(title or "")
    if tool is None and "rawInput" not in update and (found := _OF_ID.match(name)):
        tool = found[1]
        if KINDS.get(tool) == "execute":
            command = _string(update.get("title"), MAX_COMMAND)
    return ToolCallUpdate(
        id=name[:MAX_ID],
        begins=update.get("sessionUpdate") == "tool_call",
        title=title,
        kind=kind,
        status=_string(update.get("status"), 40),
        command=command,
        exit_code=_exit_code(result, update.get("_meta"), output),
        output=output,
        more=_more(update.get("_meta")),
        paths=_paths(update),
        arguments=arguments,
        name=tool,
    )


_OF_ID = regex(r"([a-z]\w*?)(?:__|-\d{6})")
"""Gemini CLI tells no arguments, but has the tool's name in the id of a call, and a command as its title."""


def _tool(meta: object) -> str | None:
    """The tool's name, as goose and Qwen Code tell it; the titles of others are names."""
    given = _table(meta)
    places = (given, _table(_table(given.get("goose")).get("toolCall")))
    return next(filter(None, (_string(place.get("toolName"), MAX_ID) for place in places)), None)


def _command(arguments: Mapping[str, Any]) -> str | None:
    """As a line for a shell; codex gives the words that it starts: `["bash", "-lc", "…"]`."""
    given = arguments.get("command", arguments.get("cmd"))
    if isinstance(given, list) and given and all(isinstance(word, str) for word in given):
        shell = len(given) == 3 and given[0].rpartition("/")[2] in ("bash", "sh", "zsh")
        given = given[2] if shell and given[1] in ("-c", "-lc") else " ".join(given)
    return cut(given, MAX_COMMAND) if isinstance(given, str) and given.strip() else None


def _quoted(title: str) -> str | None:
    """A title that is nothing but a command, as Claude Code and codex write it: `ls -l`, in backticks."""
    found = re.fullmatch(r"`([^`]+)`", title.strip())
    return found[1] if found else None


def _exit_code(result: object, meta: object, output: str | None) -> int | None:
    """Where agents tell it: in the raw output, as codex (`exit_code`) and OpenCode (`metadata.exit`) do, in `_meta`
    (`terminal_exit`), or in the text."""
    places: list[object] = []
    if isinstance(result, dict):
        places += [result, result.get("metadata"), result.get("exit_status")]
    if isinstance(meta, dict):
        places.append(meta.get("terminal_exit"))
    for place in places:
        if isinstance(place, dict):
            for name in ("exit_code", "exitCode", "exit"):
                if type(code := place.get(name)) is int and abs(code) < 1 << 32:
                    return code
    found = exit_code_in(output or "")
    return exit_code_in(result) if found is None and isinstance(result, str) else found


def _more(meta: object) -> str | None:
    """As codex tells the output of a command, while it runs."""
    given = meta.get("terminal_output_delta") if isinstance(meta, dict) else None
    data = given.get("data") if isinstance(given, dict) else None
    return cut(data) if isinstance(data, str) and data else None


def _output(content: object, result: object) -> str | None:
    """What the call gave, as text; what is told takes the place of what was told before, also where it is nothing."""
    parts = []
    for one in _list(content):
        if isinstance(one, dict):
            parts.append(
                _diff(one) if one.get("type") == "diff" else _text(one.get("content")),
            )
    text = "\n".join(part for part in parts if part)
    text = text or _result(result)
    return cut(text) if text or content == [] else None


RESULTS = ("formatted_output", "output", "stdout", "stderr", "result", "content", "error", "message")
"""Where agents tell what a call gave, each its own way; that of a server of tools is in the `result` of codex's."""


def _result(result: object, depth: int = 3) -> str:
    if isinstance(result, list):
        return "\n".join(filter(None, map(_text, result)))
    if isinstance(result, dict) and depth:
        return next(filter(None, (_result(result.get(name), depth - 1) for name in RESULTS)), "")
    return result if isinstance(result, str) else ""


def _diff(content: Mapping[str, Any]) -> str:
    path, old, new = content.get("path"), content.get("oldText"), content.get("newText")
    if not isinstance(path, str):
        return ""
    lines = [f"- {line}" for line in _lines(old)] + [f"+ {line}" for line in _lines(new)]
    return cut("\n".join([path, *lines]), 20_000)


def _lines(text: object) -> list[str]:
    return cut(text, 20_000).split("\n") if isinstance(text, str) and text else []


def _paths(update: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Those of its locations and of its differences."""
    found = [one.get("path") for one in _list(update.get("locations")) if isinstance(one, dict)]
    found += [
        one.get("path")
        for one in _list(update.get("content"))
        if isinstance(one, dict) and one.get("type") == "diff"
    ]
    paths = dict.fromkeys(path[:1000] for path in found if isinstance(path, str) and path)
    return tuple(paths)[:MAX_PATHS] or None


def _text(content: object) -> str:
    """Of one block of content; what is no text is named."""
    if not isinstance(content, dict):
        return ""
    match content.get("type"):
        case "text":
            return text if isinstance(text := content.get("text"), str) else ""
        case "resource":
            inner = content.get("resource")
            return text if isinstance(inner, dict) and isinstance(text := inner.get("text"), str) else ""
        case "resource_link":
            return str(content.get("uri", ""))[:1000]
        case "image" | "audio" as kind:
            return f"[{kind}]"
    return ""


def _string(value: object, most: int) -> str | None:
    return value[:most] if isinstance(value, str) and value else None


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
