"""The calls read from a reply so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentbatch.toolcalls.blocks.edit_pairs import read_pairs
from agentbatch.toolcalls.blocks.fences import Block
from agentbatch.toolcalls.blocks.labels import command_of
from agentbatch.toolcalls.blocks.whole_file import can_be_file

MAX_CALLS = 32
"""Calls read from one reply: the limit for a model that repeats itself forever."""


@dataclass(frozen=True)
class ParsedCall:
    """One call."""

    name: str
    arguments: dict[str, Any]
    begin: int
    """The line in which its text begins."""
    open: bool
    """The reply ended in it."""


class ParsedCalls:
    """Collects calls of the available tools, `names`; others are ignored."""

    def __init__(self, names: frozenset[str]) -> None:
        self.taken: list[ParsedCall] = []
        self._names = names

    @property
    def full(self) -> bool:
        return len(self.taken) >= MAX_CALLS

    def add(self, name: str, arguments: dict[str, Any], begin: int, *, open_end: bool) -> None:
        if name in self._names and not self.full:
            self.taken.append(ParsedCall(name, arguments, begin, open_end))

    def add_file(self, path: str, block: Block, begin: int) -> None:
        """A whole file, if the block can be one. An empty block must be closed."""
        if can_be_file(block.body, path, language_of(block.info)) and (block.whole or block.body):
            arguments = {"path": path, "content": joined(block.body)}
            self.add("write_file", arguments, begin, open_end=not block.whole)

    def add_command(self, block: Block, begin: int) -> None:
        command = command_of(block.body)
        if command:
            self.add("bash", {"command": command}, begin, open_end=not block.whole)

    def add_pairs(self, path: str, block: Block, begin: int) -> None:
        """Each search-and-replace pair as a separate call. For a block without one, the tool answers what it needs."""
        pairs = read_pairs(block.body, whole=block.whole)
        for pair in pairs:
            ends_here = pair is pairs[-1] and not block.whole
            self.add("edit_file", _edit(path, pair.old, pair.new), begin, open_end=ends_here)
        if not pairs:
            self.add("edit_file", _edit(path, [], block.body), begin, open_end=not block.whole)


def joined(lines: Sequence[str]) -> str:
    """The lines as text, each with a line break."""
    return "".join(f"{line}\n" for line in lines)


def language_of(info: str) -> str:
    """The language after a fence: `python title="a.py"`, `python:a.py`, `{python}`; empty when there is none."""
    words = info.replace(":", " ").replace("{", " ").replace("}", " ").split()
    return words[0].lower() if words else ""


def _edit(path: str, old: Sequence[str], new: Sequence[str]) -> dict[str, Any]:
    return {"path": path, "old_string": joined(old), "new_string": joined(new)}
