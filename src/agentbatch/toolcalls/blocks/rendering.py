"""The text protocol: tools as blocks of text, for models that fail at quoting and JSON.

A file's content goes into a fenced block, as in the models' training data: nothing has to be quoted, and no forgotten
quote can break it. This module writes calls (`instructions`, `render`); calls.py reads them.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from agentbatch.model.reply import Message, ToolSpec
from agentbatch.patterns import regex
from agentbatch.toolcalls.blocks.calls import find_blocks
from agentbatch.toolcalls.blocks.edit_pairs import written_pair
from agentbatch.toolcalls.blocks.fences import HEREDOC
from agentbatch.toolcalls.blocks.labels import command_of, path_of, paths_of
from agentbatch.toolcalls.json_actions import described, render_with

STOP = ("\n[Result of ",)
"""Stop sequences: weak models make up the results of their calls."""

REMINDER = (
    "Your last reply contained no block that could be carried out. Write a whole file as a line `FILE: path` followed "
    "by its content in a ``` fence, and a command in a ```bash fence."
)
"""Added to the next user message after a reply without calls."""

_EXAMPLE: Mapping[str, str] = {
    "write_file": """\
FILE: hello.py
```python
def greet(name):
    return f"Hello, {name}!"
```""",
    "bash": """\
```bash
python3 hello.py
```""",
    "finish": "DONE: greet is in hello.py and works.",
}
"""An example reply: weak models need one."""

_MEANING: Mapping[str, str] = {
    "write_file": "`FILE: name` and a fence write a whole file, new or existing.",
    "bash": "A ```bash fence runs a command; you are told what it prints.",
    "read_file": "`READ: name` shows a file.",
    "edit_file": f"""\
`EDIT: name` replaces lines of a file:
EDIT: hello.py
```
{written_pair('    return f"Hello, {name}!"', '    return f"Hi, {name}!"')}
```""",
    "finish": "`DONE: ...` ends your work, when everything works.",
}

_LANGUAGES = {
    ".c": "c", ".cpp": "cpp", ".css": "css", ".go": "go", ".html": "html", ".java": "java", ".js": "javascript",
    ".json": "json", ".md": "markdown", ".py": "python", ".rb": "ruby", ".rs": "rust", ".sql": "sql", ".toml": "toml",
    ".ts": "typescript", ".yaml": "yaml", ".yml": "yaml",
}  # fmt: skip
"""The language after the opening fence of a file. Never a shell, which would be a command."""

_LIKE_BLOCKS = regex(
    r"```|~~~|<<<<<|^\W{0,9}(?:FILE|EDIT|READ|RUN|DONE)\b|^\[Result of |^diff |^--- a/|^@@ ", re.MULTILINE
)
_HALF_ESCAPE = regex(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_FENCES = regex(r"^[ \t]*(`{3,})", re.MULTILINE)


def instructions(tools: Sequence[ToolSpec]) -> str:
    """The description of the tools in the prompt: an example reply, then the meaning of each block."""
    functions = {spec["function"]["name"]: spec["function"] for spec in tools}
    # A model that sees a command in the example writes one each time, even if the task has its own checks.
    left_out = "bash" if "write_file" in functions else ""
    example = [text for name, text in _EXAMPLE.items() if name in functions and name != left_out]
    meaning = [text for name, text in _MEANING.items() if name in functions]
    others = [described(function) for name, function in functions.items() if name not in _MEANING]
    if others:
        meaning += [
            'For other tools write {"tool": "<name>", "arguments": {...}} in a line of its own:',
            *others,
        ]
    return "\n".join(["Answer with blocks, like this:", "", *example, "", *meaning])


def render(messages: Sequence[Message], tools: Sequence[ToolSpec]) -> list[Message]:
    """The history with calls as blocks, results as user messages, and the instructions in the system message. Message
    by message, so that each request still extends the last one."""
    if not tools:
        return render_with(messages, "", written)
    return render_with(_reminded(messages), instructions(tools), written)


def written(name: str, arguments: Any) -> str:
    """One call as the model would write it and find_blocks reads it. Arguments that a block cannot express are omitted
    (a command's timeout, an edit's replace_all); calls that no block can express are written as JSON."""
    broken = isinstance(arguments, str)
    arguments = _recovered(arguments) if broken else arguments
    form = _WRITERS.get(name)
    if form is not None and isinstance(arguments, dict):
        try:
            return _checked(form(arguments), name, arguments)
        except (KeyError, TypeError, ValueError):
            pass  # an earlier call that was wrong, or that no block can express
    if broken:
        return f"(a call of {' '.join(name.split())[:40]} that could not be read)"
    return json.dumps({"tool": name, "arguments": arguments}, ensure_ascii=False)


def _checked(text: str, name: str, arguments: dict[str, Any]) -> str:
    """The block, if it is read back unchanged; only checked if the content has something like a block in it.
    Raises ValueError."""
    contents = {key: arguments[key] for key in _BLOCK_ARGUMENTS.get(name, ())}
    if any(_LIKE_BLOCKS.search(value) for value in contents.values()):
        found = find_blocks(text, {name})
        if found is None or len(found.calls) != 1:
            raise ValueError("it would not be read as one call")
        read = found.calls[0][1]
        if any(read[key].strip("\n") != value.strip("\n") for key, value in contents.items()):
            raise ValueError("it would be read as something else")
    return text


def _recovered(text: str) -> Any:
    """The invalid arguments of an earlier call, up to where they were cut off; None when they were broken in another
    way."""
    for kept in (text, _HALF_ESCAPE.sub("", text)):
        for end in ('"}', "}"):
            try:
                return json.loads(kept + end)
            except (ValueError, RecursionError):
                continue
    return None


def _file(arguments: dict[str, Any]) -> str:
    path = _path(arguments)
    language = _LANGUAGES.get(PurePosixPath(path.strip("`")).suffix, "")
    return f"FILE: {path}\n{_fenced(_text(arguments['content']), language)}"


def _command(arguments: dict[str, Any]) -> str:
    command = _text(arguments["command"]).strip("\n")
    lines = command.split("\n")
    if not command.strip() or command_of(lines) != command:
        raise ValueError("it would be read as something else")
    if {word for _, word in HEREDOC.findall(command)} - {line.strip() for line in lines}:
        raise ValueError("a here-document without an end would swallow the next block")
    return _fenced(command, "bash")


def _edit(arguments: dict[str, Any]) -> str:
    pair = written_pair(_text(arguments["old_string"]), _text(arguments["new_string"]))
    return f"EDIT: {_path(arguments)}\n{_fenced(pair, '')}"


def _read(arguments: dict[str, Any]) -> str:
    first, count = arguments.get("offset"), arguments.get("limit")
    if not isinstance(first, int):
        return f"READ: {_path(arguments)}"
    last = f"-{first + count - 1}" if isinstance(count, int) and count > 0 else ""
    return f"READ: {_path(arguments)} lines {first}{last}"


def _finish(arguments: dict[str, Any]) -> str:
    return f"DONE: {arguments.get('summary', '')}".rstrip()


_WRITERS: Mapping[str, Callable[[dict[str, Any]], str]] = {
    "write_file": _file,
    "bash": _command,
    "edit_file": _edit,
    "read_file": _read,
    "finish": _finish,
}


_BLOCK_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "write_file": ("content",),
    "bash": ("command",),
    "edit_file": ("old_string", "new_string"),
}
"""The arguments that are in the block."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {type(value).__name__}")
    return value


def _path(arguments: dict[str, Any]) -> str:
    """The path, in backticks where it would not be read as one without. Raises ValueError where neither helps."""
    path = _text(arguments["path"])
    for shown in (path, f"`{path}`"):
        if paths_of(shown) == [path] and path_of(shown) == path:
            return shown
    raise ValueError("it would be read as something else")


def _fenced(content: str, language: str) -> str:
    """The content in a fence that is longer than any fence in it."""
    longest = max((len(found[1]) for found in _FENCES.finditer(content)), default=0)
    fence = "`" * max(3, longest + 1)
    end = "" if not content or content.endswith("\n") else "\n"
    return f"{fence}{language}\n{content}{end}{fence}"


def _reminded(messages: Sequence[Message]) -> list[Message]:
    """With the REMINDER at the end of every user message that follows a reply without calls."""
    reminded: list[Message] = []
    for place, message in enumerate(messages):
        before = messages[place - 1] if place else {}
        silent = before.get("role") == "assistant" and not before.get("tool_calls")
        if message.get("role") == "user" and silent and isinstance(message.get("content"), str):
            message = {**message, "content": f"{message['content']}\n\n{REMINDER}"}
        reminded.append(message)
    return reminded
