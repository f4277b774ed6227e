"""The tool `write_file`: a whole file, new or in the place of an old one."""

import asyncio
import hashlib
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from agentbatch.files import SMALL
from agentbatch.workspace.files.replace import replace_file
from agentbatch.workspace.tools.base import Arguments, ToolDirectory
from agentbatch.workspace.workspace import FileRecord, ToolResult

NEWLINE = b"\n"
MAX_COUNTED = 10 * 1024 * 1024
"""Bytes of an old file whose lines are counted."""


class WriteFileArguments(Arguments):
    path: Annotated[str, Field(description="Relative to the working directory; folders are made.")]
    content: Annotated[str, Field(description="The whole content of the file.")]


class WriteFile:
    name: ClassVar[str] = "write_file"
    description: ClassVar[str] = "Write a whole file: make it, or replace all that it held."
    arguments: ClassVar[type[Arguments]] = WriteFileArguments

    def summary(self, arguments: WriteFileArguments) -> str:
        return f"{arguments.path} ({_lines(arguments.content)})"

    async def run(self, arguments: WriteFileArguments, directory: ToolDirectory) -> ToolResult:
        path = directory.to_write(arguments.path)
        if len(arguments.content) <= SMALL and _is_quick(path):
            return _write(arguments, path, directory.root)
        return await asyncio.to_thread(_write, arguments, path, directory.root)


def _is_quick(path: Path) -> bool:
    """There is no large file in its place, which would hold up every other task while it is read."""
    try:
        return path.stat().st_size <= SMALL
    except OSError:
        return True


def _write(arguments: WriteFileArguments, path: Path, root: Path) -> ToolResult:
    name = arguments.path
    refusal = _refusal(name, path, root)
    if refusal:
        return ToolResult(refusal, ok=False)
    try:
        content = arguments.content.encode("utf-8")
    except UnicodeEncodeError as error:
        return ToolResult(
            f"The content is not valid Unicode at character {error.start:,} (a lone surrogate). "
            "Nothing was written; send it again without that.",
            ok=False,
        )
    old = path.stat().st_size if path.exists() else None
    # What is much larger than a text is not read to be counted.
    before = path.read_bytes() if old is not None and old <= max(MAX_COUNTED, len(content)) else None
    file = FileRecord(name, hashlib.sha256(content).hexdigest(), unchanged=before == content)
    if file.unchanged:
        return ToolResult(
            f"{name} already held exactly this: nothing was changed.",
            file=file,
            changed=True,
            note="unchanged",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)
    was = "new file"
    if old is not None:
        had = f"{old:,} bytes" if before is None else _count(before.count(NEWLINE), before)
        was = f"replaced, had {had}"
    return ToolResult(
        f"Wrote {name}: {_lines(arguments.content)}, {len(content):,} bytes ({was}).",
        file=file,
        changed=True,
        note=was,
    )


def _refusal(name: str, path: Path, root: Path) -> str:
    if path.is_dir():
        return f"{name} is a folder. Give the path of a file in it."
    if path.exists() and not path.is_file():
        return f"{name} is not a regular file but a fifo, socket or device. Choose another path."
    for parent in path.parents:
        if parent == root:
            break
        if parent.exists() and not parent.is_dir():
            return f"{parent.relative_to(root)} is a file, so {name} cannot be in it. Choose another path."
    return ""


def _lines(text: str) -> str:
    return _count(text.count("\n"), text)


def _count(newlines: int, text: str | bytes) -> str:
    """Lines, a last one without its newline included."""
    ends_open = bool(text) and text[-1:] not in ("\n", b"\n")
    lines = newlines + ends_open
    return f"{lines:,} line{'' if lines == 1 else 's'}"
