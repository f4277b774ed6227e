"""What an agent of somebody else's tells of its work, named as in ACP: what its protocol or its output is read into."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agentbatch.patterns import regex

MAX_TEXT = 100_000
"""Characters of one text that are kept: its beginning, and its end."""


@dataclass(frozen=True)
class MessageChunk:
    """A piece of what the agent says, or thinks."""

    text: str
    thought: bool = False


@dataclass(frozen=True)
class ToolCallUpdate:
    """What is new of one of its tool calls; None: nothing is said of that."""

    id: str
    """The agent's own; it may use one again."""
    begins: bool = False
    """It is a new one; else more is told of one."""
    title: str | None = None
    kind: str | None = None
    """`read`, `edit`, `delete`, `move`, `search`, `execute`, `think`, `fetch`, `other`."""
    status: str | None = None
    """`pending`, `in_progress`, `completed`, `failed`."""
    command: str | None = None
    """What a shell runs, in a line."""
    exit_code: int | None = None
    output: str | None = None
    more: str | None = None
    """What its output goes on with, where an agent tells it in pieces."""
    paths: tuple[str, ...] | None = None
    arguments: Mapping[str, Any] | None = None
    name: str | None = None
    """Of the tool, as the agent calls it, where its title is another."""


@dataclass(frozen=True)
class PlanUpdate:
    """What it means to do: each entry with `pending`, `in_progress` or `completed`."""

    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CostUpdate:
    """What it says that it has cost so far, in US dollars."""

    cost: float


@dataclass(frozen=True)
class UsageUpdate:
    """What it says that its turn has taken."""

    input: int
    """With what was read from a cache and written into one."""
    output: int
    cached: int = 0
    written: int = 0


AgentUpdate = MessageChunk | ToolCallUpdate | PlanUpdate | CostUpdate | UsageUpdate


_EXITS = regex(
    r"(?:^|\n)\W{0,3}"
    r"(?:Exit [Cc]ode:?|(?:Command )?exited with (?:exit )?code:?|shellId: \d{1,9} completed with exit code)"
    r" {0,3}(-?\d{1,5})\b"
)
"""Claude Code, Qwen Code, Gemini CLI, Copilot and pi tell it in the text of the result."""


def exit_code_in(output: str) -> int | None:
    """The exit code that is told in what a call gave; None: there is none. A command can print one of its own: where
    two are told, one that is not 0 counts."""
    found = [int(code) for part in (output[:2000], output[-2000:]) for code in _EXITS.findall(part)]
    return next(filter(None, found), 0) if found else None


def cut(text: str, most: int = MAX_TEXT) -> str:
    """Head and tail of a long text, and between them how much is left out."""
    if len(text) <= most:
        return text
    part = most // 2
    return f"{text[:part]}\n[{len(text) - 2 * part:,} characters left out]\n{text[-part:]}"
