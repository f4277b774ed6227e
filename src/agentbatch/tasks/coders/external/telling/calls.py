"""One tool call of an agent's, as far as it is told, and in our words."""

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentbatch.patterns import regex
from agentbatch.tasks.coders.external.telling.happenings import CallTold, cut

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
    told: CallTold
    began: float
    shown: str = ""
    """The name by which it is shown; empty: it is not yet."""
    over: bool = False
    before: str = ""
    """What the agent said before it."""
    thought: str = ""
    output: Pieces = field(default_factory=Pieces)
    """What is told of it in pieces."""


def merged(before: CallTold, new: CallTold) -> CallTold:
    """What is told later holds, but an end does not open again."""
    told = {name: value for name, value in vars(new).items() if value is not None}
    if before.status in ("completed", "failed"):
        told.pop("status", None)
    return CallTold(**{**vars(before), **told})


def is_known(told: CallTold) -> bool:
    """Enough of it to show: some agents announce a call before they know what it is, and where they are as its path."""
    placed = bool(told.paths) and told.kind != "execute"
    return told.command is not None or placed or told.status == "in_progress"


def tool_name(told: CallTold) -> str:
    """Ours for what it does; where there is none (a server's tool), the agent's."""
    kind = told.kind or "other"
    if kind == "other" or (kind == "execute" and not told.command):
        named = told.name or told.title or ""
        return named.replace(".", "_") if NAME.fullmatch(named) else WORDS.get(kind, kind)
    return WORDS.get(kind, kind if kind.isidentifier() else "other")


def arguments_of(told: CallTold, command: str) -> str:
    """Its arguments as JSON; what is too long is one shortened text. `command`: as it is shown."""
    title: Mapping[str, Any] = {"title": told.title} if told.title else {}
    arguments = {"command": command} if command else told.arguments or title
    try:
        text = json.dumps(arguments, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return "{}"
    if len(text) <= MAX_ARGUMENTS:
        return text
    return json.dumps({"shortened": cut(text, MAX_ARGUMENTS // 2)}, ensure_ascii=False)
