"""A tool call as lines of the screen: one line, or with its arguments, its diff and its output. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from agentbatch.model.reply import Message
from agentbatch.patterns import regex
from agentbatch.runs.listing import ShownStatus
from agentbatch.text import clip, harmless
from agentbatch.toolcalls.json_actions import parsed_arguments
from agentbatch.tui.lines.glyphs import COLOURS, Glyphs
from agentbatch.tui.lines.render import Line, row, shortened, text_lines
from agentbatch.tui.lines.transcript.blocks import Call, Key
from agentbatch.workspace.files.diff.line_diff import hunks

INDENT = 4
MAX_LINES = 200
"""Lines shown of an output, and of a change."""

MAX_PAIRS = 250_000
"""Lines x lines of an edit whose least diff is looked for (some 50 ms); a larger one shows the old and the new."""

MAX_ARGUMENTS = 200_000
"""Characters of arguments that are shown."""

_SPILLED = regex(r"the whole output is in ([^\n]{1,1000}?) \.\.\.\]")
_MUTED = "dim"


def call_lines(
    call: Call, opened: bool, messages: Mapping[Key, Message], glyphs: Glyphs, rest: str
) -> list[Line]:
    """The call; `rest` says where lines that are left out are."""
    asked = _asked(call, messages)
    tool, arguments = (call.tool, asked[1]) if call.tool else asked
    if not opened:
        return [_head(call, tool, opened, glyphs)]
    answer = message_text(messages.get(call.answer) if call.answer else None, "content")
    spilled = _SPILLED.search(answer)
    where = _where(spilled[1], glyphs) if spilled else rest
    said = shortened(text_lines(answer, _MUTED, INDENT), MAX_LINES, where)
    body = shortened(_body(tool, arguments), MAX_LINES, rest)
    if not answer and call.stage == "running":
        said = [Line("(no answer yet)", _MUTED, INDENT)]
    return [_head(call, tool, opened, glyphs), *body, *said]


def _where(path: str, glyphs: Glyphs) -> str:
    shown = harmless(path).replace("{", "{{").replace("}", "}}")
    return f"{glyphs['ellipsis']} {{}} lines more; the whole output is in {shown}"


def _head(call: Call, tool: str, opened: bool, glyphs: Glyphs) -> Line:
    status, outcome = _outcome(call)
    colour = COLOURS[status]
    parts = [(f"{glyphs['open' if opened else 'closed']} ", _MUTED), (f"{glyphs[status]} ", colour)]
    name = clip(tool, 40) or "call"
    summary = harmless(call.summary)
    note = f"  {harmless(call.note)}" if call.note and call.exit_code is None else ""
    return row(
        [*parts, (f"{name} ", "bold"), (summary, ""), (note, _MUTED)],
        outcome,
        _MUTED if status == "completed" else colour,
    )


def _outcome(call: Call) -> tuple[ShownStatus, str]:
    """A status that has the right sign, and the words."""
    if call.stage == "running":
        return "coding", "running"
    if call.stage != "done":
        return "cancelled", call.stage
    took = f"{call.seconds:.1f}s"
    if call.exit_code is not None:
        return ("completed" if call.ok else "error"), f"exit {call.exit_code} {took}"
    return ("completed", f"ok {took}") if call.ok else ("error", f"failed {took}")


def _asked(call: Call, messages: Mapping[Key, Message]) -> tuple[str, Any]:
    """The tool's name and the arguments as the model wrote them: an object, or the text that was none."""
    message = messages.get(call.message) if call.message else None
    calls = message.get("tool_calls") if message else None
    for asked in calls if isinstance(calls, list) else ():
        if not isinstance(asked, dict) or asked.get("id") != call.call_id:
            continue
        function = asked.get("function")
        if isinstance(function, dict):
            return str(function.get("name", "")), parsed_arguments(function.get("arguments"))
    return "", None


def _body(tool: str, arguments: Any) -> list[Line]:
    if arguments is None:
        return []
    if not isinstance(arguments, dict):
        return [Line("(arguments that are no JSON object)", _MUTED, INDENT), *_texts(str(arguments))]
    form = _FORMS.get(tool)
    if form is not None:
        lines = form(arguments)
        if lines is not None:
            return lines
    return [line for name, value in arguments.items() for line in _argument(name, value)]


def _texts(text: str, style: str = "") -> list[Line]:
    return text_lines(text[:MAX_ARGUMENTS], style, INDENT)


def _argument(name: str, value: Any) -> list[Line]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    lines = _texts(text)
    if len(lines) <= 1:
        return [Line(f"{harmless(name)}: {lines[0].text if lines else ''}", "", INDENT)]
    return [Line(f"{harmless(name)}:", "", INDENT), *(line._replace(indent=INDENT + 2) for line in lines)]


def _others(arguments: dict[str, Any], *shown: str) -> list[Line]:
    return [line for name, value in arguments.items() if name not in shown for line in _argument(name, value)]


def _bash(arguments: dict[str, Any]) -> list[Line] | None:
    command = arguments.get("command")
    if not isinstance(command, str):
        return None
    first, *more = _texts(command, "bold") or [Line("", "bold", INDENT)]
    return [first._replace(text=f"$ {first.text}"), *more, *_others(arguments, "command")]


def _write(arguments: dict[str, Any]) -> list[Line] | None:
    content = arguments.get("content")
    if not isinstance(content, str):
        return None
    return [*_others(arguments, "content"), *_marked("+", content)]


def _edit(arguments: dict[str, Any]) -> list[Line] | None:
    old, new = arguments.get("old_string"), arguments.get("new_string")
    if not isinstance(old, str) or not isinstance(new, str):
        return None
    return [*_others(arguments, "old_string", "new_string"), *diff_lines(old, new)]


def _finish(arguments: dict[str, Any]) -> list[Line] | None:
    summary = arguments.get("summary")
    return [*_texts(summary), *_others(arguments, "summary")] if isinstance(summary, str) else None


_FORMS: Mapping[str, Callable[[dict[str, Any]], list[Line] | None]] = {
    "bash": _bash,
    "write_file": _write,
    "edit_file": _edit,
    "finish": _finish,
}


def _marked(sign: str, text: str) -> list[Line]:
    """Lines that were added, or taken away."""
    style = COLOURS["completed"] if sign == "+" else COLOURS["error"]
    return [line._replace(text=f"{sign} {line.text}") for line in _texts(text, style)]


def diff_lines(old: str, new: str) -> list[Line]:
    """What an edit changes: lines that go with -, lines that come with +, others with neither."""
    if (old.count("\n") + 1) * (new.count("\n") + 1) > MAX_PAIRS:
        return [*_marked("-", old), *_marked("+", new)]
    lines: list[Line] = []
    for text in hunks(_ended(old), _ended(new)):
        sign, rest = text[:1], text[1:]
        if sign in "+-":
            lines += _marked(sign, rest) or [
                Line(sign, COLOURS["completed" if sign == "+" else "error"], INDENT)
            ]
        elif sign == " ":
            lines += [line._replace(text=f"  {line.text}") for line in text_lines(rest, _MUTED, INDENT)]
        elif lines:
            lines.append(Line("...", _MUTED, INDENT))  # another place of the same text
    return lines


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def message_text(message: Message | None, field: str) -> str:
    """A text of a message, also where an endpoint sends it in parts; empty when there is none."""
    value = message.get(field) if message else None
    if isinstance(value, list):
        parts = [part.get("text") for part in value if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return value if isinstance(value, str) else ""
