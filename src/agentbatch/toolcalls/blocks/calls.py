"""Finding the calls of the text protocol (blocks.py) in a reply: what is clearly meant is taken, in whatever way it
is decorated; what is not, is left, and the model is told that nothing was done."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from agentbatch.toolcalls.blocks.parsed_calls import Taken, joined
from agentbatch.toolcalls.blocks.reader import Loose, Reader
from agentbatch.toolcalls.blocks.whole_file import Setting, is_whole, uses_itself

MAX_READ = 1_000_000
"""Characters of a reply that are looked at; several times what models can answer."""

MAX_LINES = 50_000
"""Lines of a reply that are looked at."""

NOTHING_KNOWN = Setting()


class BlockCalls(NamedTuple):
    calls: tuple[tuple[str, dict[str, Any]], ...]
    """Name and arguments of each call, in order; an end of the turn last, wherever it stood."""
    prose: str
    """The text in front of the first call."""
    open_call: int | None
    """The call in which the reply ended, if it has no end of its own: whole only when the reply was not cut off."""


def find_blocks(text: str, names: Collection[str], setting: Setting = NOTHING_KNOWN) -> BlockCalls | None:
    """The calls in a reply, or None when there is none. `names`: the tools that there are.

    Lines end in `\\n`, or all of them in `\\r\\n`; nothing else of a file's content is changed, but it always ends
    with the end of a line. Reading ends where the model made up a result.

    A block of code that no name belongs to is a file too, when the task names just one that can be meant and nothing
    speaks against it (whole_file.py): the reply writes no other file, has no other block like it but examples of the
    file's use, and no call in front of it.
    """
    lines, too_long = _lines(text)
    lines, start = _behind_thoughts(lines)
    reader = Reader(lines, start, frozenset(names), setting)
    reader.read()
    loose = _lone_file(reader, setting) if "write_file" in names else None
    taken = [*([loose] if loose is not None else []), *reader.calls.taken]
    if too_long and taken and taken[-1].open:
        taken.pop()  # cut off by us
    if not taken:
        return None
    prose = "\n".join(reader.lines[reader.start : min(call.begin for call in taken)]).strip()
    ends = [call for call in taken if call.name == "finish"][-1:]
    ordered = [*(call for call in taken if call.name != "finish"), *ends]
    open_call = next((at for at, call in enumerate(ordered) if call.open), None)
    return BlockCalls(tuple((call.name, call.arguments) for call in ordered), prose, open_call)


def _is_example(loose: Loose, paths: Mapping[str, str]) -> bool:
    return uses_itself(loose.block.body, paths[loose.language])


def _lines(text: str) -> tuple[list[str], bool]:
    """The lines that are looked at, and whether there are more."""
    read = text[:MAX_READ].removeprefix("\ufeff")
    if read.count("\r\n") == read.count("\n"):
        read = read.replace("\r\n", "\n")
    lines = read.split("\n", MAX_LINES)
    return lines[:MAX_LINES], len(text) > MAX_READ or len(lines) > MAX_LINES


def _lone_file(reader: Reader, setting: Setting) -> Taken | None:
    """The one block without a name that can only be the file which the task asks for."""
    if any(call.name in ("write_file", "edit_file") for call in reader.calls.taken):
        return None
    paths = {language: setting.file_for(language) for language in {loose.language for loose in reader.loose}}
    found = [loose for loose in reader.loose if paths[loose.language] and not _is_example(loose, paths)]
    if len(found) != 1:
        return None
    (loose,) = found
    path = paths[loose.language]
    if loose.calls_before or not is_whole(loose.block.body, path, loose.language, setting):
        return None
    arguments = {"path": path, "content": joined(loose.block.body)}
    return Taken("write_file", arguments, loose.begin, not loose.block.whole)


def _behind_thoughts(lines: list[str]) -> tuple[list[str], int]:
    """The lines, and the first one of the answer proper. Thoughts without an end leave none."""
    first = next((at for at, line in enumerate(lines) if line.strip()), None)
    if first is None or not lines[first].lstrip().startswith("<think>"):
        return lines, 0
    for at in range(first, len(lines)):
        _, end, rest = lines[at].partition("</think>")
        if end:
            return [*lines[:at], rest, *lines[at + 1 :]], at
    return lines, len(lines)
