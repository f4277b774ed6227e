"""The tools of a workspace together: how a model sees them, and running the calls that it makes."""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

from agentbatch.model.reply import ToolSpec
from agentbatch.text import list_names, nearest
from agentbatch.workspace.files.paths import PathError
from agentbatch.workspace.tools.arguments import ArgumentsError, parse_arguments
from agentbatch.workspace.tools.base import Arguments, Hand, Toolbox, ToolDirectory
from agentbatch.workspace.tools.bash import Bash
from agentbatch.workspace.tools.edit_file import EditFile
from agentbatch.workspace.tools.read_file import ReadFile
from agentbatch.workspace.tools.write_file import WriteFile
from agentbatch.workspace.workspace import ToolResult

HANDS: Mapping[str, Hand] = MappingProxyType(
    {hand.name: hand for hand in (Bash(), ReadFile(), WriteFile(), EditFile())}
)
"""All tools of a workspace by name, in the order in which a model sees them."""

MAX_NAMED = 30
"""Tools in a sentence: servers may bring a hundred."""
SUMMARY = 100
"""Characters of a summary line."""


def choose_hands(names: Sequence[str], command_timeout: float) -> Mapping[str, Hand]:
    """Those of the names that are tools of a workspace. `command_timeout`: seconds that bash gives a command when the
    model names none."""
    chosen = {name: hand for name, hand in HANDS.items() if name in names}
    if Bash.name in chosen:
        chosen[Bash.name] = Bash(command_timeout)
    return chosen


def specs(toolbox: Toolbox) -> list[ToolSpec]:
    """As a model gets them: flat JSON schemas."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": _parameters(tool.arguments),
            },
        }
        for tool in toolbox.values()
    ]


@cache  # making one takes 2 ms
def _parameters(arguments: type[Arguments]) -> dict[str, Any]:
    parameters: dict[str, Any] = _flat(arguments.model_json_schema())
    return parameters


async def dispatch(
    hands: Mapping[str, Hand], name: str, arguments: str | Mapping[str, object], directory: ToolDirectory
) -> ToolResult:
    """Run one call as the model wrote it. What is wrong with it becomes an answer, never an error."""
    hand = hands.get(name)
    if hand is None:
        return unknown_tool(name, hands)
    try:
        parsed = parse_arguments(hand, arguments)
    except ArgumentsError as error:
        return wrong_arguments(error)
    try:
        return await hand.run(parsed, directory)
    except PathError as error:
        return ToolResult(str(error), ok=False, note="path refused")
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        return ToolResult(f"{name} failed: {error.strerror or error}{place}.", ok=False, note="failed")


def unknown_tool(name: str, toolbox: Mapping[str, object]) -> ToolResult:
    """The answer to a call of a tool that is not in the toolbox."""
    return ToolResult(
        f"There is no tool {name[:SUMMARY]!r}{did_you_mean(name, toolbox)} The tools are "
        f"{list_names(list(toolbox), MAX_NAMED)}.",
        ok=False,
        invalid=True,
        note="unknown tool",
    )


def wrong_arguments(error: ArgumentsError) -> ToolResult:
    """The answer to a call whose arguments are wrong."""
    return ToolResult(str(error), ok=False, invalid=True, note="invalid arguments")


def summarise(toolbox: Toolbox, name: str, arguments: str) -> str:
    """One line for a person, at most 100 characters, safe to print: `bash pytest -q`."""
    tool = toolbox.get(name)
    try:
        text = tool.summary(parse_arguments(tool, arguments)) if tool else arguments
    except ArgumentsError:
        text = arguments
    line = _printable(f"{name} {text[: 10 * SUMMARY]}")
    return line if len(line) <= SUMMARY else line[: SUMMARY - 1] + "…"


def _printable(text: str) -> str:
    """One line without control, formatting (right-to-left tricks) and unpaired surrogate characters."""
    spaced = " ".join(text.split())
    if spaced.isprintable():
        return spaced
    return "".join(character for character in spaced if unicodedata.category(character)[0] != "C")


def did_you_mean(name: str, known: Mapping[str, Any]) -> str:
    """The end of a sentence about an unknown name."""
    near = nearest(name[:SUMMARY], known, cutoff=0.5)
    return f"; did you mean {near!r}?" if near else "."


def _flat(schema: Any) -> Any:
    """Without titles, and with a plain type where null is merely allowed: small models trip over `anyOf`."""
    properties = {name: _plain(value) for name, value in schema["properties"].items()}
    required = schema.get("required", [])
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    merged = {key: part for key, part in value.items() if key not in ("title", "anyOf")}
    for option in value.get("anyOf", []):
        if option.get("type") != "null":
            merged |= {key: part for key, part in option.items() if key != "title"}
    if merged.get("default", 0) is None:
        del merged["default"]
    return merged
