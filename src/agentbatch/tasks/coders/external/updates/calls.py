"""One tool call of an agent's, as far as its updates tell of it, in our words."""

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentbatch.patterns import regex
from agentbatch.tasks.coders.external.updates.update import ToolCallUpdate, cut

MAX_ARGUMENTS = 20_000

WORDS: Mapping[str, str] = {"execute": "bash"}
"""Our names for kinds of calls; the others keep theirs."""
LOOKS = frozenset(("read", "search", "think", "fetch", "plan", "switch_mode"))
"""Kinds that change nothing."""
EDITS = frozenset(("edit", "delete", "move"))
NAME = regex(r"[A-Za-z][\w.-]{0,63}", re.ASCII)
"""Of a tool; any other title is a sentence."""


@dataclass
class Pieces:
    """Pieces of one text, of which head and tail are kept."""

    parts: deque[str] = field(default_factory=deque)
    size: int = 0

    def add(self, text: str, most: int = 200_000) -> None:
        self.parts.append(text)
        self.size += len(text)
        if self.size > most:
            whole = cut("".join(self.parts), most // 2)
            self.parts, self.size = deque([whole]), len(whole)

    def take(self) -> str:
        text = "".join(self.parts).strip()
        self.parts.clear()
        self.size = 0
        return text


@dataclass
class Call:
    """One tool call under way."""

    number: str
    update: ToolCallUpdate
    began: float
    shown: str = ""
    """The name by which it is shown; empty: it is not yet."""
    over: bool = False
    before: str = ""
    """What the agent said before it."""
    thought: str = ""
    output: Pieces = field(default_factory=Pieces)
    """What comes of it in pieces."""


def merged(before: ToolCallUpdate, new: ToolCallUpdate) -> ToolCallUpdate:
    """What comes later holds, but an end does not open again."""
    changes = {name: value for name, value in vars(new).items() if value is not None}
    if before.status in ("completed", "failed"):
        changes.pop("status", None)
    return ToolCallUpdate(**{**vars(before), **changes})


def is_known(update: ToolCallUpdate) -> bool:
    """Enough of it to show: some agents announce a call before they know what it is, and where they are as its path."""
    placed = bool(update.paths) and update.kind != "execute"
    return update.command is not None or placed or update.status == "in_progress"


def tool_name(update: ToolCallUpdate) -> str:
    """Ours for what it does; where there is none (a server's tool), the agent's."""
    kind = update.kind or "other"
    if kind == "other" or (kind == "execute" and not update.command):
        named = update.name or update.title or ""
        return named.replace(".", "_") if NAME.fullmatch(named) else WORDS.get(kind, kind)
    return WORDS.get(kind, kind if kind.isidentifier() else "other")


def arguments_of(update: ToolCallUpdate, command: str) -> str:
    """Its arguments as JSON; what is too long is one shortened text. `command`: as it is shown."""
    title: Mapping[str, Any] = {"title": update.title} if update.title else {}
    arguments = {"command": command} if command else update.arguments or title
    try:
        text = json.dumps(arguments, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "{}"
    if len(text) <= MAX_ARGUMENTS:
        return text
    return json.dumps({"shortened": cut(text, MAX_ARGUMENTS // 2)}, ensure_ascii=False)
