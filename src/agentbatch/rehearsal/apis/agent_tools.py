"""A script says what is done in the builtin coder's words; other agents offer other tools for the same. Pure.

A step that the offered tools have in the same words only gets what else they require; another one is translated: run
this command, write this file. What an agent has no tool for, its shell does.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from agentbatch.patterns import regex
from agentbatch.rehearsal.play import text_of
from agentbatch.rehearsal.script import Say, ScriptedCall

COMMAND = ("command", "cmd")
PATH = ("path", "file_path", "filePath", "absolute_path")
CONTENT = ("content", "contents", "file_text")
"""What agents call these arguments."""

DIRECTORY = regex(
    r"<cwd>(/[^<\n]*)</cwd>|working (?:in the )?directory(?: is)?: *`?(/[^`\n]*)", re.IGNORECASE
)
"""How agents tell their model where it works; some of their tools take absolute paths only."""

PATCH = "apply_patch"
"""Codex's tool for files: it takes a text of its own."""


class Tool(NamedTuple):
    """A tool as a request offers it."""

    name: str
    properties: Mapping[str, Any]
    required: Sequence[str]

    def takes(self, names: Sequence[str]) -> str:
        """The first of these arguments that it has; empty: none."""
        return next((name for name in names if name in self.properties), "")

    def takes_all(self, arguments: Iterable[str]) -> bool:
        """Whether its schema, if it has one, knows all of these."""
        return not self.properties or all(name in self.properties for name in arguments)


def offered(tools: object) -> list[Tool]:
    """The tools of a chat request."""
    return [tool for tool in map(_tool, tools if isinstance(tools, list) else ()) if tool]


def _tool(given: object) -> Tool | None:
    match given:
        case {"function": {"name": str(name), "parameters": {"properties": dict(properties), **rest}}}:
            required = rest.get("required")
            return Tool(name, properties, required if isinstance(required, list) else [])
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return Tool(name, {}, [])
    return None


def is_foreign(tools: object) -> bool:
    """Another agent's: the builtin coder's have `finish`."""
    given = offered(tools)
    return bool(given) and all(tool.name != "finish" for tool in given)


def translated(say: Say, tools: object, messages: Sequence[Mapping[str, Any]]) -> Say:
    """The step in the words of the tools that the request offers."""
    hands = _Hands(offered(tools), messages)
    calls = [hands.call(call) for call in say.calls]
    content = "\n".join([say.content, *(hands.summary(call) for call in say.calls)]).strip("\n")
    return say.model_copy(update={"calls": [call for call in calls if call], "content": content})


class _Hands:
    def __init__(self, tools: Sequence[Tool], messages: Sequence[Mapping[str, Any]]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._messages = messages

    def call(self, call: ScriptedCall) -> ScriptedCall | None:
        """None: it is said, not called."""
        if isinstance(call.arguments, str):
            return call
        same = self._tools.get(call.name)
        if same is not None and same.takes_all(call.arguments):
            return _filled(call, same)
        if call.name == "finish":
            return None
        if call.name == "write_file":
            return self._write(call) or self._run(_written(call.arguments), call)
        command = COMMANDS.get(call.name)
        return call if command is None else self._run(command(call.arguments), call)

    def summary(self, call: ScriptedCall) -> str:
        """What a finished coder says, where it has no tool for it."""
        if call.name != "finish" or call.name in self._tools or isinstance(call.arguments, str):
            return ""
        return str(call.arguments.get("summary", ""))

    def _run(self, command: str, call: ScriptedCall) -> ScriptedCall:
        for tool in self._tools.values():
            name = tool.takes(COMMAND)
            if name and name in tool.required:
                listed = tool.properties[name].get("type") == "array"
                value: object = ["bash", "-lc", command] if listed else command
                return _filled(ScriptedCall(name=tool.name, arguments={name: value}), tool)
        return call

    def _write(self, call: ScriptedCall) -> ScriptedCall | None:
        """By a tool for files, where the path is new: agents want to have read what they write over."""
        assert not isinstance(call.arguments, str)
        path, content = str(call.arguments.get("path")), str(call.arguments.get("content"))
        if path in _called_with(self._messages):
            return None
        for tool in self._tools.values():
            where, what = tool.takes(PATH), tool.takes(CONTENT)
            if where and what and where in tool.required and what in tool.required:
                arguments = {where: self._absolute(path), what: content}
                return _filled(ScriptedCall(name=tool.name, arguments=arguments), tool)
        if PATCH in self._tools:
            lines = "".join(f"+{line}\n" for line in content.removesuffix("\n").split("\n"))
            patch = f"*** Begin Patch\n*** Add File: {path}\n{lines}*** End Patch\n"
            takes = self._tools[PATCH].takes(("input", "patch"))
            return ScriptedCall(name=PATCH, arguments={takes: patch} if takes else patch)
        return None

    def _absolute(self, path: str) -> str:
        for message in self._messages:
            if found := DIRECTORY.search(text_of(message)):
                return f"{(found[1] or found[2]).strip().rstrip('/')}/{path}"
        return path


def _called_with(messages: Sequence[Mapping[str, Any]]) -> str:
    """The arguments of all calls so far."""
    calls = (call for message in messages for call in message.get("tool_calls") or ())
    return "\n".join(str(call["function"].get("arguments")) for call in calls if isinstance(call, dict))


def _filled(call: ScriptedCall, tool: Tool | None) -> ScriptedCall:
    """With something for every argument that the tool requires."""
    if tool is None or isinstance(call.arguments, str):
        return call
    missing = [name for name in tool.required if name not in call.arguments]
    return call.model_copy(
        update={
            "arguments": call.arguments | {name: _anything(tool.properties.get(name)) for name in missing}
        }
    )


def _anything(schema: object) -> Any:
    match schema:
        case {"enum": [first, *_]}:
            return first
        case {"type": "boolean"}:
            return False
        case {"type": "number" | "integer"}:
            return 60_000
        case {"type": "array"}:
            return []
        case {"type": "object"}:
            return {}
    return "as the task asks"


def _written(arguments: Mapping[str, Any]) -> str:
    path = str(arguments.get("path"))
    program = f"import pathlib; p = pathlib.Path({path!r}); p.parent.mkdir(parents=True, exist_ok=True); "
    return _python(program + f"p.write_text({str(arguments.get('content'))!r}, encoding='utf-8')")


def _edited(arguments: Mapping[str, Any]) -> str:
    path, old, new = (str(arguments.get(name)) for name in ("path", "old_string", "new_string"))
    times = "" if arguments.get("replace_all") else ", 1"
    return _python(
        f"import pathlib; p = pathlib.Path({path!r}); t = p.read_text(encoding='utf-8'); old = {old!r}; "
        f"assert old in t; p.write_text(t.replace(old, {new!r}{times}), encoding='utf-8')"
    )


def _python(program: str) -> str:
    return f"python3 -c {shlex.quote(program)}"


COMMANDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "bash": lambda arguments: str(arguments.get("command")),
    "read_file": lambda arguments: f"cat {shlex.quote(str(arguments.get('path')))}",
    "write_file": _written,
    "edit_file": _edited,
}
"""Steps of scripts as commands of a shell."""
