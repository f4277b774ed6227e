"""The tool `read_file`: numbered lines of a file, or what a folder holds."""

import asyncio
import difflib
import os
import stat
from pathlib import Path
from typing import Annotated, BinaryIO, ClassVar

from pydantic import Field

from agentbatch.workspace.tools.base import Arguments, ToolDirectory
from agentbatch.workspace.workspace import ToolResult

MAX_CHARACTERS = 30_000
"""Characters of one answer, as for the shell's output."""
MAX_LINE = 2_000
"""Characters shown of one line."""
MAX_ENTRIES = 300
"""Entries shown of a folder."""
BINARY_PROBE = 8_192
"""Bytes in which a NUL makes a file binary (git's rule)."""

_PIECE = 64 * 1024
_RESERVE = 400
"""Characters kept for the line that says where it stopped."""


class ReadFileArguments(Arguments):
    path: Annotated[str, Field(description="Relative to the working directory.")]
    offset: Annotated[int, Field(ge=0, description="First line, counted from 1.")] = 1
    limit: Annotated[int, Field(ge=1, description="Lines at most.")] = 2000


class ReadFile:
    name: ClassVar[str] = "read_file"
    description: ClassVar[str] = (
        "Read a text file: its lines, each after its number and a tab, which are no part of the file. "
        "For a folder: its entries."
    )
    arguments: ClassVar[type[Arguments]] = ReadFileArguments

    def summary(self, arguments: ReadFileArguments) -> str:
        first = max(1, arguments.offset)
        part = "" if (first, arguments.limit) == (1, 2000) else f" from line {first}"
        return f"{arguments.path}{part}"

    async def run(self, arguments: ReadFileArguments, directory: ToolDirectory) -> ToolResult:
        return await asyncio.to_thread(_read, arguments, directory)


def _read(arguments: ReadFileArguments, directory: ToolDirectory) -> ToolResult:
    path = directory.to_read(arguments.path)
    if path.is_dir():
        return ToolResult(_listing(arguments.path, path), note="folder")
    if not path.exists():
        return ToolResult(_missing(arguments.path, path, directory.root), ok=False, note="no such file")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return ToolResult(
                f"{arguments.path} is not a regular file but a fifo, socket or device.", ok=False
            )
        if status.st_size == 0:
            return ToolResult(f"{arguments.path} is empty (0 bytes).", note="empty")
        if b"\0" in file.read(BINARY_PROBE):
            return ToolResult(
                f"{arguments.path} is binary ({status.st_size:,} bytes). "
                "Use bash to look into it: file, xxd | head, or python3.",
                ok=False,
                note="binary",
            )
        file.seek(0)
        return _numbered(file, arguments.path, max(1, arguments.offset), arguments.limit)


def _numbered(file: BinaryIO, name: str, first: int, limit: int) -> ToolResult:
    shown: list[str] = []
    room = MAX_CHARACTERS - _RESERVE
    total = 0
    stopped = crlf = foreign = False
    while (line := _next_line(file)) is not None:
        total += 1
        if total < first or len(shown) >= limit or stopped:
            continue
        raw, size = line
        crlf = crlf or raw.endswith(b"\r\n")
        text = raw.decode("utf-8", errors="replace").rstrip("\r\n")
        foreign = foreign or "\ufffd" in text
        if size > len(raw) or len(text) > MAX_LINE:
            text = f"{text[:MAX_LINE]} [... line cut, {size:,} bytes in all]"
        numbered = f"{total:6}\t{text}"
        if len(numbered) + 1 > room:
            stopped = True
            continue
        room -= len(numbered) + 1
        shown.append(numbered)
    if not shown:
        return ToolResult(f"{name} has {total:,} lines; there is none from line {first:,} on.", ok=False)
    notes = _notes(first, len(shown), total, crlf, foreign)
    return ToolResult("\n".join([*shown, *notes]), note=f"{len(shown):,} lines")


def _next_line(file: BinaryIO) -> tuple[bytes, int] | None:
    """The next line's beginning, at most a piece of it, and the size of the whole; None at the end."""
    raw = piece = file.readline(_PIECE)
    if not raw:
        return None
    size = len(raw)
    while len(piece) == _PIECE and not piece.endswith(b"\n"):
        piece = file.readline(_PIECE)
        size += len(piece)
    return raw, size


def _notes(first: int, count: int, total: int, crlf: bool, foreign: bool) -> list[str]:
    last = first + count - 1
    notes = []
    if last < total:
        notes.append(f"[lines {first:,} to {last:,} of {total:,}; go on with offset={last + 1}]")
    elif first > 1:
        notes.append(f"[lines {first:,} to {last:,} of {total:,}]")
    if crlf:
        notes.append("[its lines end in CRLF; edit_file keeps that]")
    if foreign:
        notes.append(
            "[not all of it is UTF-8: \ufffd stands for what is not; change it with bash, not edit_file]"
        )
    return notes


def _listing(name: str, folder: Path) -> str:
    with os.scandir(folder) as entries:
        names = sorted(_entry(entry) for entry in entries)
    if not names:
        return f"{name} is an empty folder."
    more = [f"[... {len(names) - MAX_ENTRIES:,} more]"] if len(names) > MAX_ENTRIES else []
    return "\n".join([f"{name} is a folder:", *names[:MAX_ENTRIES], *more])


def _entry(entry: os.DirEntry[str]) -> str:
    name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    name = name if name.isprintable() else repr(name)
    if entry.is_symlink():
        return f"{name} (symlink)"
    return f"{name}/" if entry.is_dir() else name


def _missing(name: str, path: Path, root: Path) -> str:
    """Says what is there instead: the nearest names, or the nearest folder that exists."""
    folder = next((parent for parent in path.parents if parent.is_dir()), root)
    if not folder.is_relative_to(root):
        return f"There is no file {name}."
    place = folder.relative_to(root).as_posix()
    with os.scandir(folder) as entries:
        names = sorted(_entry(entry) for entry in entries)
    wanted = path.relative_to(folder).parts[0]
    shown = {name.rstrip("/"): name for name in names[:2000]}
    near = [shown[found] for found in difflib.get_close_matches(wanted, shown, n=3, cutoff=0.6)]
    listed = near or names[:20]
    what = "similar names" if near else "the folder holds"
    there = f"{what}: {', '.join(listed)}" if listed else "the folder is empty"
    return f"There is no file {name}. In {'the working directory' if place == '.' else place}, {there}."
