"""A batch's input: JSON lines in either form, read one at a time."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from agentbatch.errors import UserError, cannot_be
from agentbatch.requests.spec.request import BatchRequest, read_line
from agentbatch.text import clip

MAX_LINE = 16 * 1024 * 1024
"""Bytes. A request with a long document has a few hundred kilobytes; a longer line is no request."""

BOM = b"\xef\xbb\xbf"

MAX_PROBLEMS = 10
"""Wrong lines that are reported at once."""


def read_requests(path: Path) -> Iterator[BatchRequest]:
    """The requests of a file, in order; empty lines are skipped. Keeps one line in memory.

    Raises UserError, with the line's number, for a line that is no request, and when the file cannot be read.
    """
    for number, line in _lines(path):
        yield read_line(line, f"{path}, line {number}")


def check_requests(path: Path, check: Callable[[BatchRequest], object]) -> int:
    """Read everything once, before anything is spent: each request is also given to `check`. Returns their number.

    Raises UserError for the first wrong lines: what `read_requests` and `check` refuse, and an id that stands there
    twice; also when there is no request at all.
    """
    problems: list[str] = []
    count = 0
    with closing(_seen_ids()) as seen:
        for number, line in _lines(path):
            try:
                _check(line, f"{path}, line {number}", number, seen, check)
            except UserError as error:
                problems.append(str(error))
                if len(problems) == MAX_PROBLEMS:
                    break
            count += 1
    if problems:
        more = "\nThere may be more." if len(problems) == MAX_PROBLEMS else ""
        raise UserError("\n".join(problems) + more)
    if not count:
        raise UserError(f"{path} holds no requests: each line is one, as JSON.")
    return count


def _check(
    line: bytes,
    where: str,
    number: int,
    seen: sqlite3.Connection,
    check: Callable[[BatchRequest], object],
) -> None:
    request = read_line(line, where)
    name = request.id.encode("utf-8", "surrogatepass")
    seen.execute("INSERT OR IGNORE INTO ids VALUES (?, ?)", (name, number))
    (first,) = seen.execute("SELECT line FROM ids WHERE id = ?", (name,)).fetchone()
    if first != number:
        raise UserError(
            f"{where}: the id {clip(request.id, 60)!r} stands in line {first} already; ids have to be unique."
        )
    try:
        check(request)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def _seen_ids() -> sqlite3.Connection:
    """A table of ids and lines that goes to the disk when it gets large, and goes away with its connection."""
    connection = sqlite3.connect("", isolation_level=None)
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("CREATE TABLE ids (id BLOB PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID")
    connection.execute("BEGIN")
    return connection


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with open(path, "rb") as file:
            yield from _numbered(file, path)
    except OSError as error:
        raise cannot_be("read", path, error) from None


def _numbered(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise UserError(
                f"{path}, line {number}: longer than {MAX_LINE // (1024 * 1024)} MB, which no request is. Is it a "
                "JSON document instead of JSON lines?"
            )
        if number == 1:
            line = line.removeprefix(BOM)
        if line.strip():
            yield number, line
