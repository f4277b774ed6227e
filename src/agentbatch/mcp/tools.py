"""What servers offer, as a model gets it: bounded, with names and schemas that every endpoint takes. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from agentbatch.mcp.names import model_names
from agentbatch.mcp.schemas import EMPTY, CleanedSchema, clean, is_text
from agentbatch.mcp.server import McpServer
from agentbatch.model.reply import ToolSpec
from agentbatch.redaction import redact_strings
from agentbatch.text import clip, counted, harmless, list_names

MAX_DESCRIPTION = 1_000
"""Characters: OpenAI takes 1,024 (getsentry/sentry-mcp #106)."""
MAX_TOOLS = 100
"""Of all servers of a task: OpenAI takes 128 (anomalyco/opencode #4909), and some are ours."""
MAX_ALL = 60_000
"""Characters of all of them together, about 15,000 tokens of every call."""
BEYOND = CleanedSchema(EMPTY, notes=("not looked at: there are too many tools",))
MAX_LISTED = 2_000
"""Tools of one server that are looked at."""
MAX_NAME = 256
"""Characters of a server's own name of a tool: the protocol has 128."""


class ServerTool(BaseModel):
    """One tool of one server. As it was when the task began: it is stored so."""

    model_config = ConfigDict(frozen=True)

    server: str
    name: str
    """The server's own."""
    called: str
    """The model's."""
    description: str
    parameters: dict[str, Any]
    renamed: dict[str, str] = {}
    """The server's own names of arguments, by the model's."""
    reads_only: bool = False
    """The server says that it changes nothing."""

    @property
    def spec(self) -> ToolSpec:
        return {
            "type": "function",
            "function": {"name": self.called, "description": self.description, "parameters": self.parameters},
        }

    def redacted(self, redact: Callable[[str], str]) -> "ServerTool":
        """Without keys in what a model reads of it."""
        parameters: dict[str, Any] = redact_strings(self.parameters, redact)
        return self.model_copy(update={"description": redact(self.description), "parameters": parameters})

    def names_key(self, redact: Callable[[str], str]) -> bool:
        """What it is called, or an argument of it, holds a key, which can be masked in no name that is to be called."""
        names = (self.name, self.called, *self.parameters["properties"], *self.renamed.values())
        return any(redact(name) != name for name in names)

    def own_arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """As the server names them."""
        return {self.renamed.get(name, name): value for name, value in arguments.items()}


@dataclass(frozen=True)
class OfferedTools:
    tools: tuple[ServerTool, ...]
    notes: tuple[str, ...] = ()
    """What a person should know of them, a sentence each."""
    cleaned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the model's name of a tool, what of its schema was lost."""


def offered(name: str, server: McpServer, listing: Sequence[object]) -> OfferedTools:
    """Those of `listing`, as the server sent it, that the user wants; by name, so that a list in another order is the
    same."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in listing[:MAX_LISTED]:
        if not isinstance(one, Mapping):
            continue
        own = one.get("name")
        if isinstance(own, str) and 0 < len(own) <= MAX_NAME and is_text(own):
            found.setdefault(own, one)
    notes = []
    if server.tools is not None:
        missing = [clip(one, 60) for one in server.tools if one not in found]
        if missing:
            has = f"; it has {list_names([clip(one, 60) for one in sorted(found)])}" if found else ""
            notes.append(f"The MCP server {name} has no tool {list_names(missing)}{has}.")
        found = {own: one for own, one in found.items() if own in server.tools}
    names = model_names(name, found)
    tools, cleaned = [], {}
    for number, own in enumerate(sorted(found)):
        # A model gets no more of them, and each takes its time.
        schema = clean(found[own].get("inputSchema")) if number < MAX_TOOLS else BEYOND
        if schema.notes:
            cleaned[names[own]] = schema.notes
        tools.append(
            ServerTool(
                server=name,
                name=own,
                called=names[own],
                description=_described(name, found[own]),
                parameters=schema.schema,
                renamed=dict(schema.renamed),
                reads_only=_hints(found[own]).get("readOnlyHint") is True,
            )
        )
    return OfferedTools(tuple(tools), tuple(notes), cleaned)


def without_keys(given: OfferedTools, redact: Callable[[str], str]) -> OfferedTools:
    """A server has been sent a key, and may say it again wherever it says something."""
    kept = [tool for tool in given.tools if not tool.names_key(redact)]
    notes = list(given.notes)
    if left_out := len(given.tools) - len(kept):
        notes.append(
            f"{counted(left_out, 'tool')} of the MCP server {given.tools[0].server} left out: a name in it holds a key."
        )
    cleaned = {
        tool.called: tuple(map(redact, given.cleaned[tool.called]))
        for tool in kept
        if tool.called in given.cleaned
    }
    return OfferedTools(tuple(tool.redacted(redact) for tool in kept), tuple(map(redact, notes)), cleaned)


def within_limits(tools: Iterable[ServerTool], window: int = MAX_ALL) -> OfferedTools:
    """The first of them that a call has room for: a quarter of the model's context `window` (tokens, four characters
    each), but MAX_ALL at most."""
    kept: list[ServerTool] = []
    left_out: list[str] = []
    room = min(MAX_ALL, window)
    for tool in tools:
        room -= len(json.dumps(tool.spec, ensure_ascii=False))
        if len(kept) < MAX_TOOLS and room >= 0:
            kept.append(tool)
        else:
            left_out.append(tool.called)
    if not left_out:
        return OfferedTools(tuple(kept))
    note = (
        f"{counted(len(left_out), 'tool')} of MCP servers left out, since a model takes no more "
        f"({list_names(left_out, 3, 64)}): name those that are needed in `tools`."
    )
    return OfferedTools(tuple(kept), (note,))


def _described(server: str, tool: Mapping[str, Any]) -> str:
    given = tool.get("description")
    text = harmless(given[:20_000]) if isinstance(given, str) else ""
    return clip(text, MAX_DESCRIPTION) or f"A tool of the MCP server {server}."


def _hints(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    given = tool.get("annotations")
    return given if isinstance(given, Mapping) else {}
