"""A batch's input: JSON lines in either form, read one at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from agentbatch.errors import UserError
from agentbatch.requests.request import BatchRequest, read_line

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes. A request with a long document has a few hundred kilobytes; a longer line is no request."""

BOM = b"\xef\xbb\xbf"


def read_requests(path: Path) -> Iterator[BatchRequest]:
    """The requests of a file, in order; empty lines are none. Holds one line at a time.

    Raises UserError, with the line's number, for a line that is no request, and when the file cannot be read.
    """
    for number, line in _lines(path):
        yield read_line(line, f"{path}, line {number}")


def check_requests(path: Path, check: Callable[[BatchRequest], object]) -> int:
    """Read everything once, before anything is spent: each request is also given to `check`. Returns their number.

    Raises UserError as `read_requests`, and for an id that stands there twice, and when there is none.
    """
    lines: dict[str, int] = {}
    for number, line in _lines(path):
        where = f"{path}, line {number}"
        request = read_line(line, where)
        first = lines.setdefault(request.id, number)
        if first != number:
            raise UserError(
                f"{where}: the id {request.id!r} stands in line {first} already; ids have to be unique."
            )
        try:
            check(request)
        except UserError as error:
            raise UserError(f"{where}: {error}") from None
    if not lines:
        raise UserError(f"{path} holds no requests: each line is one, as JSON.")
    return len(lines)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with open(path, "rb") as file:
            yield from _numbered(file, path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def _numbered(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise UserError(
                f"{path}, line {number}: longer than {LONGEST_LINE // (1024 * 1024)} MB, which is no request. Is it a "
                "JSON document instead of JSON lines?"
            )
        if number == 1:
            line = line.removeprefix(BOM)
        if line.strip():
            yield number, line
