"""Finds tool calls that a model wrote as JSON text: answers in `schema` mode, and what small local models write
instead of native tool calls.

Only what is formatted as a call counts: a JSON object (or an array of them) on lines of its own that names a known
tool and has an object of arguments; plain, in a ```json fence or in <tool_call> tags. JSON inside a sentence or in a
fence of another language is an example, and so is anything inside another call's arguments.
"""

import json
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from agentbatch.files import json_object
from agentbatch.patterns import regex

_DECODER = json.JSONDecoder(strict=False)
"""Not strict: small models put real line breaks into JSON strings."""

NAME_KEYS = ("tool", "name", "function", "tool_name", "action")
ARGUMENT_KEYS = ("arguments", "parameters", "args", "input", "tool_input", "action_input")

JSON_FENCES = frozenset({"", "json", "jsonc", "json5", "tool", "tool_call", "tool_code", "action"})

MAX_CALLS = 32
"""Calls read from one reply: the limit for a model that repeats itself forever."""

MAX_READ = 2_000_000
"""Characters of a reply that are searched."""

MAX_FAILURES = 32
"""Broken JSON values before the search ends: each can cost a pass over the whole text."""

_BROKEN_CALL = regex(r'\s*\{{1,2}\s*"(tool|name|function|tool_name|action)"')
THOUGHT = regex(r"\A\s*<think>.*?</think>", re.DOTALL)
_OPENERS = regex(
    r"(<tools?>|<(?:\w+_)?tool_call>|<function_call>|<\|tool_call\|>|<\|python_tag\|>|\[TOOL_CALLS\]"
    # Jamba and MiniMax-M1, Nemotron, Phi-4, InternLM, Command R7B
    r"|<tool_calls>|<TOOLCALL>|functools(?=\[)|<\|action_start\|>\s*<\|plugin\|>|<\|START_ACTION\|>)\s*"
)
_DOUBLED = regex(r'\{\{\s*"')
"""Two braces instead of one, as in the chat template of Qwen2.5-Coder."""
_CLOSERS = regex(
    r"[ \t]*(?:\n?[ \t]*(?:</tools?>|</(?:\w+_)?tool_call>|</function_call>|<\|/?tool_call\|>|<\|eom_id\|>|<\|eot_id\|>"
    r"|</tool_calls>|</TOOLCALL>|<\|action_end\|>|<\|END_ACTION\|>))?"
    r"[ \t;,]*(?=\n|\Z|<tool_call>)"
)
_FENCE = regex(r"(`{3,}|~{3,})\s*([\w+-]*)[ \t]*\Z")


class TextCalls(NamedTuple):
    calls: tuple[tuple[str, str], ...]
    """Name and arguments (JSON text) of each call."""
    prose: str
    """The text in front of the first call."""
    ends_with_call: bool
    """Only closing marks follow the last call."""
    start: int = 0
    """Where the first call begins."""


def find_calls(text: str, names: Collection[str]) -> TextCalls | None:
    """The calls in a reply, or None when there is none."""
    text = text[:MAX_READ]
    thought = THOUGHT.match(text)
    at = first = thought.end() if thought else 0
    calls: list[tuple[str, str]] = []
    fence: str | None = None
    after = failures = 0
    while at < len(text) and failures < MAX_FAILURES:
        end_of_line = _end_of_line(text, at)
        line = text[at:end_of_line].strip()
        marked = _FENCE.match(line)
        if marked:
            fence = marked[2].lower() if fence is None else None
        elif fence is None or fence in JSON_FENCES:
            found = calls_at(text, at, names)
            if found is not None:
                actions, end = found
                first = first if calls else at
                calls.extend(actions)
                after = end if actions else after
                at = end
                continue
            if line[:1] in ("{", "["):
                failures += 1
                if _BROKEN_CALL.match(text, at):
                    break  # what follows may be inside its arguments, not calls
        at = end_of_line + 1
    if not calls:
        return None
    prose = _without_opening_mark(text[:first])
    return TextCalls(tuple(calls[:MAX_CALLS]), prose, not _words(text[after:]), first)


def calls_at(text: str, start: int, names: Collection[str]) -> tuple[list[tuple[str, str]], int] | None:
    """The calls in the JSON that begins at `start`, and its end; None when no separate JSON begins there."""
    while start < len(text) and text[start] in " \t":
        start += 1
    opener = _OPENERS.match(text, start)
    start = opener.end() if opener else start
    if text[start : start + 1] not in ("{", "["):
        return None
    doubled = _DOUBLED.match(text, start) is not None
    try:
        value, end = _DECODER.raw_decode(text, start + doubled)
    except (ValueError, RecursionError):
        return None
    if doubled:
        if text[end : end + 1] != "}":
            return None
        end += 1
    closer = _CLOSERS.match(text, end)
    if closer is None:
        return None
    if isinstance(value, dict) and value.keys() == {"tool_calls"}:
        value = value["tool_calls"]  # Devstral: ggml-org/llama.cpp#14697
    items = value if isinstance(value, list) else [value]
    actions = [_action(item, names) for item in items]
    whole = [action for action in actions if action is not None]
    return (whole if len(whole) == len(actions) else []), max(closer.end(), end)


def _action(item: Any, names: Collection[str]) -> tuple[str, str] | None:
    if not isinstance(item, dict):
        return None
    inner = item.get("function")
    if isinstance(inner, dict):
        item = inner
    name = next((item[key] for key in NAME_KEYS if isinstance(item.get(key), str)), "")
    arguments = next((item[key] for key in ARGUMENT_KEYS if key in item), None)
    if arguments is None and isinstance(item.get("tool"), str) and len(item) > 1:
        # Beside the name, not in an object.
        arguments = {key: value for key, value in item.items() if key != "tool"}
    if isinstance(arguments, str):
        arguments = json_object(arguments)
    if name not in names or not isinstance(arguments, dict):
        return None
    return str(name), json.dumps(arguments, ensure_ascii=False)


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _without_opening_mark(text: str) -> str:
    """The prose before a call, without the fence or tag that opened it."""
    lines = text.rstrip().split("\n")
    while lines and (
        lines[-1].strip() in ("", "<tool_call>", "<tools>", "<tool>") or _FENCE.match(lines[-1].strip())
    ):
        lines.pop()
    return "\n".join(lines).strip()


def _words(text: str) -> str:
    """The text without fences and closing tags."""
    lines = (line.strip() for line in text.split("\n"))
    return "".join(
        line
        for line in lines
        if not _FENCE.match(line) and line not in ("</tool_call>", "</tools>", "</tool>", ";", ",")
    )
