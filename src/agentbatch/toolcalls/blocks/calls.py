"""Finds the calls of the text protocol in a reply. What clearly is a call counts, however it is decorated; the rest
is ignored, and the model is told that nothing was executed."""

from collections.abc import Collection
from typing import Any, NamedTuple

from agentbatch.toolcalls.blocks.parsed_calls import ParsedCall, joined
from agentbatch.toolcalls.blocks.reader import Reader
from agentbatch.toolcalls.blocks.whole_file import ReplyContext, is_whole, uses_itself

MAX_READ = 1_000_000
"""Characters of a reply that are read; several times the longest output of models."""

MAX_LINES = 50_000
"""Lines of a reply that are read."""

NO_CONTEXT = ReplyContext()


class BlockCalls(NamedTuple):
    calls: tuple[tuple[str, dict[str, Any]], ...]
    """Name and arguments of each call, in order; `finish` last, wherever it was."""
    prose: str
    """The text in front of the first call."""
    open_call: int | None
    """Index of the call in which the reply ended without an end mark: complete only if the reply was not cut off."""


def find_blocks(text: str, names: Collection[str], context: ReplyContext = NO_CONTEXT) -> BlockCalls | None:
    """The calls in a reply, or None when there is none. `names`: the available tools.

    Lines end in `\\n`, or all of them in `\\r\\n`; otherwise a file's content is unchanged, but it always ends with a
    line break. Reading ends where the model made up a result.

    An unnamed block of code is a file, too, if the task names exactly one candidate and the block can be a whole file
    (whole_file.py), the reply writes no other file, has no other such block but examples of the file's use, and no
    call before it.
    """
    lines, too_long = _lines(text)
    lines, start = _behind_thoughts(lines)
    reader = Reader(lines, start, frozenset(names), context)
    reader.read()
    unnamed = _lone_file(reader, context) if "write_file" in names else None
    taken = [*([unnamed] if unnamed is not None else []), *reader.calls.taken]
    if too_long and taken and taken[-1].open:
        taken.pop()  # cut off by our limits
    if not taken:
        return None
    prose = "\n".join(reader.lines[reader.start : min(call.begin for call in taken)]).strip()
    ends = [call for call in taken if call.name == "finish"][-1:]
    ordered = [*(call for call in taken if call.name != "finish"), *ends]
    open_call = next((at for at, call in enumerate(ordered) if call.open), None)
    return BlockCalls(tuple((call.name, call.arguments) for call in ordered), prose, open_call)


def _lines(text: str) -> tuple[list[str], bool]:
    """The lines to read, and whether there are more."""
    read = text[:MAX_READ].removeprefix("\ufeff")
    if read.count("\r\n") == read.count("\n"):
        read = read.replace("\r\n", "\n")
    lines = read.split("\n", MAX_LINES)
    return lines[:MAX_LINES], len(text) > MAX_READ or len(lines) > MAX_LINES


def _lone_file(reader: Reader, context: ReplyContext) -> ParsedCall | None:
    """The one unnamed block that can only be the file that the task asks for."""
    if any(call.name in ("write_file", "edit_file") for call in reader.calls.taken):
        return None
    paths = {
        language: context.file_for(language) for language in {unnamed.language for unnamed in reader.unnamed}
    }
    found = [
        unnamed
        for unnamed in reader.unnamed
        if (path := paths[unnamed.language])
        and not uses_itself(unnamed.block.body, path)  # that is an example
    ]
    if len(found) != 1:
        return None
    (unnamed,) = found
    path = paths[unnamed.language]
    if unnamed.calls_before or not is_whole(unnamed.block.body, path, unnamed.language, context):
        return None
    arguments = {"path": path, "content": joined(unnamed.block.body)}
    return ParsedCall("write_file", arguments, unnamed.begin, not unnamed.block.whole)


def _behind_thoughts(lines: list[str]) -> tuple[list[str], int]:
    """The lines, and the index of the first one after the thoughts; past the end if the thoughts have no end."""
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None or not lines[first].lstrip().startswith("<think>"):
        return lines, 0
    for at in range(first, len(lines)):
        _, end, rest = lines[at].partition("</think>")
        if end:
            return [*lines[:at], rest, *lines[at + 1 :]], at
    return lines, len(lines)
