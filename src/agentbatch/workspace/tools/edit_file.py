"""The tool `edit_file`: an exact replacement, and an answer that helps where nothing matches."""

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from agentbatch.patterns import regex
from agentbatch.workspace.files.replace import replace_file
from agentbatch.workspace.tools.base import Arguments, ToolDirectory
from agentbatch.workspace.tools.closest import SHOWN_LINES, closest_places, numbered
from agentbatch.workspace.workspace import FileRecord, ToolResult

MAX_FILE = 10 * 1024 * 1024
"""Bytes; larger files are data, for bash."""
MAX_NUMBERS = 20
"""Line numbers that an answer lists."""
AROUND = 3
"""Lines shown before and after an edit."""

_NUMBER = regex(r"^ *\d+\t", re.MULTILINE)


class EditFileArguments(Arguments):
    path: Annotated[str, Field(description="Relative to the working directory.")]
    old_string: Annotated[str, Field(description="The exact text to replace, without line numbers.")]
    new_string: Annotated[str, Field(description="What takes its place.")]
    replace_all: Annotated[bool, Field(description="Replace every occurrence, not just a single one.")] = (
        False
    )


class EditFile:
    name: ClassVar[str] = "edit_file"
    description: ClassVar[str] = (
        "Replace an exact piece of text in a file. old_string must occur exactly once, unless replace_all is "
        "true; take enough lines around it to make it so."
    )
    arguments: ClassVar[type[Arguments]] = EditFileArguments

    def summary(self, arguments: EditFileArguments) -> str:
        return f"{arguments.path}{' (every occurrence)' if arguments.replace_all else ''}"

    async def run(self, arguments: EditFileArguments, directory: ToolDirectory) -> ToolResult:
        return await asyncio.to_thread(_edit, arguments, directory)


class _File(NamedTuple):
    """A text file for editing: its lines end in `\\n` here, whatever they end in on the disk."""

    text: str
    crlf: bool

    def encoded(self, text: str) -> bytes:
        return (text.replace("\n", "\r\n") if self.crlf else text).encode("utf-8")


def _edit(arguments: EditFileArguments, directory: ToolDirectory) -> ToolResult:
    path = directory.to_write(arguments.path)
    name = arguments.path
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        return _no(f"{name} {what}. Make a new file with write_file.")
    file = _load(name, path)
    if isinstance(file, str):
        return _no(file)
    old, new = arguments.old_string, arguments.new_string
    if file.crlf:
        old, new = old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    if old not in file.text and old.endswith("\n") and file.text.endswith(old[:-1]):
        old, new = old[:-1], new.removesuffix("\n")  # whole lines, of a file whose last one has no end
    refusal = _refusal(name, file.text, old, new, arguments.replace_all)
    if refusal:
        return _no(refusal)
    count = file.text.count(old)
    first = file.text.index(old)
    edited = file.text.replace(old, new)
    try:
        content = file.encoded(edited)
    except UnicodeEncodeError:
        return _no("new_string is not valid Unicode (a lone surrogate). Nothing was changed.")
    replace_file(path, content)
    done = _done(name, edited, first, new, count)
    record = FileRecord(name, hashlib.sha256(content).hexdigest())
    return ToolResult(done, file=record, changed=True, note=f"{count} replaced")


def _load(name: str, path: Path) -> _File | str:
    """The file, or the sentence that says why it cannot be edited."""
    size = path.stat().st_size
    if size > MAX_FILE:
        return f"{name} is {size:,} bytes large; edit_file takes {MAX_FILE:,}. Use sed or python3 in bash."
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return (
            f"{name} is not UTF-8 (byte {error.start:,}), so it cannot be edited exactly. "
            "Use python3 in bash and name its encoding."
        )
    crlf = "\r\n" in text and text.count("\r\n") == text.count("\n") == text.count("\r")
    return _File(text.replace("\r\n", "\n") if crlf else text, crlf)


def _refusal(name: str, text: str, old: str, new: str, replace_all: bool) -> str:
    if not old:
        return (
            f"old_string is empty, so there is nothing to replace in {name}. Give the text to replace, "
            "or write the whole file with write_file."
        )
    if old == new:
        return "old_string and new_string are the same: that would change nothing. Say what is to change."
    count = text.count(old)
    if count == 0:
        return _not_found(name, text, old)
    if count > 1 and not replace_all:
        return (
            f"old_string occurs {count:,} times in {name}: at line {_line_numbers(text, old)}. "
            "Take more of the lines around the one you mean, or set replace_all to true."
        )
    return ""


def _line_numbers(text: str, old: str) -> str:
    numbers: list[str] = []
    line, searched = 1, 0
    position = text.find(old)
    while position >= 0 and len(numbers) <= MAX_NUMBERS:
        line += text.count("\n", searched, position)
        numbers.append(str(line))
        searched = position
        position = text.find(old, position + len(old))
    more = ["..."] if len(numbers) > MAX_NUMBERS else []
    return ", ".join([*numbers[:MAX_NUMBERS], *more])


def _not_found(name: str, text: str, old: str) -> str:
    unnumbered = _NUMBER.sub("", old)
    if unnumbered != old and unnumbered in text:
        return (
            "old_string was not found because it contains the line numbers that read_file puts before each "
            "line. Leave numbers and tabs out."
        )
    if not text:
        return f"{name} is empty. Write its content with write_file."
    lines = text.split("\n")
    places = closest_places(lines, old)
    if not places:
        return (
            f"old_string was not found in {name}, nor anything like it ({len(lines):,} lines). "
            "Read the file first."
        )
    count = min(old.strip("\n").count("\n") + 1, SHOWN_LINES)
    shown = "\nor:\n".join(numbered(lines, start, count) for start, _ in places)
    same = "Only blanks or indentation differ. " if places[0][1] == 1.0 else ""
    return (
        f"old_string was not found in {name}. The closest lines are:\n{shown}\n"
        f"{same}Copy the text exactly, without the line numbers."
    )


def _done(name: str, text: str, position: int, new: str, count: int) -> str:
    lines = text.split("\n")
    first = text.count("\n", 0, position)
    start = max(0, first - AROUND)
    length = min(first - start + new.count("\n") + 1 + AROUND, 2 * SHOWN_LINES)
    what = "1 occurrence" if count == 1 else f"{count:,} occurrences"
    where = "It now reads:" if count == 1 else "The first one now reads:"
    return f"Edited {name}: replaced {what}. {where}\n{numbered(lines, start, length)}"


def _no(text: str) -> ToolResult:
    return ToolResult(f"{text} Nothing was changed." if "Nothing was" not in text else text, ok=False)
