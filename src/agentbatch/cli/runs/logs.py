"""`agentbatch logs`: what happened in a run, line by line."""

import argparse
import re
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from agentbatch.cli.arguments import RUN_HELP, whole
from agentbatch.cli.runs.choice import chosen_task
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError, cannot_be
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.listing import find_run

POLL_SECONDS = 0.2

EPILOG = """\
examples:
  agentbatch logs -n 50
  agentbatch logs -f
  agentbatch logs 20260102-0304 --task sales-report
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "logs",
        description="Print the log of a run (run.log in its folder), or a task's part of it.",
        epilog=EPILOG,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help=RUN_HELP)
    parser.add_argument(
        "-f", "--follow", action="store_true", help="keep printing until the run ends, or Ctrl-C"
    )
    parser.add_argument("-n", "--lines", metavar="N", type=whole(), help="begin with the last N lines [all]")
    # Named so that it is no setting's: --tasks of a run is another thing.
    parser.add_argument(
        "--task",
        dest="task_id",
        metavar="TASK",
        help="only lines of this task: its id, how that begins, or its number",
    )
    parser.set_defaults(command=logs)


def logs(args: argparse.Namespace) -> int:
    """Raises UserError for an unknown run or task, or when there is no log."""
    folder = find_run(Path.cwd(), args.run)
    wanted = _lines_of(folder, args.task_id) if args.task_id is not None else None
    out = Writer(sys.stdout)
    with _open(folder) as file:
        lines = LogLines(file)
        begun: Iterable[str] = _chosen(lines.whole(), wanted)
        for text in begun if args.lines is None else deque(begun, maxlen=args.lines):
            out.write(text)
        out.flush()
        if args.follow:
            for text in _chosen(_coming(folder, lines), wanted):
                out.write(text)
                out.flush()
                if out.broken:
                    return 1
        for text in _chosen(lines.rest(), wanted):
            out.write(text)
    return 0


def _open(folder: RunFolder) -> BinaryIO:
    try:
        return open(folder.log, "rb")
    except FileNotFoundError:
        raise UserError(f"The run {folder.run_id} has no log: {folder.log} is missing.") from None
    except OSError as error:
        raise cannot_be("read", folder.log, error) from None


def _lines_of(folder: RunFolder, task: str) -> re.Pattern[str]:
    """What a line of the task begins with. Raises UserError."""
    return re.compile(rf"\[\d\d:\d\d:\d\d\] task {chosen_task(folder, task)[1] + 1}[/:]")


def _chosen(lines: Iterable[str], wanted: re.Pattern[str] | None) -> Iterator[str]:
    return (line for line in lines if wanted is None or wanted.match(line))


class LogLines:
    """Lines of a file that may still grow, each with its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._part = b""

    def whole(self) -> Iterator[str]:
        """The complete lines that have come up since the last time."""
        while piece := self._file.readline():
            self._part += piece
            if piece.endswith(b"\n"):
                line, self._part = self._part, b""
                yield line.decode("utf-8", "replace")

    def rest(self) -> Iterator[str]:
        """A last line that was never finished."""
        if self._part:
            yield self._part.decode("utf-8", "replace") + "\n"


def _coming(folder: RunFolder, lines: LogLines) -> Iterator[str]:
    """New lines, until nobody works on the run any more."""
    while True:
        # Asked before reading: what a run writes last, it writes before it lets go of its lock.
        alive = bool(holder(folder))
        yield from lines.whole()
        if not alive:
            return
        time.sleep(POLL_SECONDS)
