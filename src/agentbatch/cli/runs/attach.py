"""`agentbatch attach` and `agentbatch watch`: look at a run that another process works on."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentbatch.cli.runs.app import can_draw, check_terminal, open_run

if TYPE_CHECKING:
    from agentbatch.runs.folder import RunFolder

ATTACH = """\
Open a run in the terminal app: also one that another process works on, or one
that has ended. Nothing can be changed from there without --control.
"""
WATCH = """\
Look at a run: in the terminal app, or, with --plain or without a terminal, as
lines that come as it goes on, until it ends; a batch of plain requests always as
lines.
"""
LOOK_EVERY = 0.25
"""Seconds."""

RUN_HELP = "an id, its beginning, or a run's folder [the newest under way, else the newest]"


def add_parser(subparsers: Any) -> None:
    """Both commands of this module."""
    attach = _command(subparsers, "attach", "open a run in the terminal app", ATTACH)
    attach.add_argument("--control", action="store_true", help="pause, cancel, retry and so on from there")
    attach.set_defaults(command=_attach)
    watch = _command(subparsers, "watch", "look at a run as it goes on", WATCH)
    watch.add_argument("--plain", action="store_true", help="lines instead of the terminal app")
    watch.add_argument("-v", "--verbose", dest="steps", action="store_true", help="with --plain: every step")
    watch.set_defaults(command=_watch)


def _command(subparsers: Any, name: str, text: str, more: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=text,
        description=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--ascii", dest="ascii_only", action="store_true", help="signs of plain ASCII only")
    return parser


def chosen_run(name: str | None) -> "RunFolder":
    """The run that is meant; None: the newest that is under way, else the newest. Raises UserError."""
    from agentbatch.runs.folder import holder
    from agentbatch.runs.listing import find_run, list_runs

    if name is None:
        for folder in list_runs(Path.cwd()):
            if holder(folder):
                return folder
    return find_run(Path.cwd(), name)


def _attach(args: argparse.Namespace) -> int:
    folder = chosen_run(args.run)
    check_terminal(f"agentbatch watch --plain {folder.run_id}")
    return open_run(folder, control=args.control, ascii_only=args.ascii_only)


def _watch(args: argparse.Namespace) -> int:
    folder = chosen_run(args.run)
    if can_draw() and not args.plain and _has_tasks(folder):
        return open_run(folder, control=False, ascii_only=args.ascii_only)
    return _print_run(folder, steps=args.steps)


def _has_tasks(folder: "RunFolder") -> bool:
    """Only these are shown by the terminal app."""
    from agentbatch.runs.kind import kind_of
    from agentbatch.runs.listing import open_run as read_run

    return kind_of(read_run(folder).state.info).has_tasks


def _failed(folder: "RunFolder") -> list[tuple[str, str]]:
    from agentbatch.requests.journal.failed_requests import read_failed

    return read_failed(folder.journal)  # none where there is no journal


def _print_run(folder: "RunFolder", *, steps: bool) -> int:
    from agentbatch.display.plain import PlainDisplay
    from agentbatch.display.reports.run_report import RunReport
    from agentbatch.display.reports.status import render_status
    from agentbatch.display.writer import Writer
    from agentbatch.runs.listing import open_run as read_run
    from agentbatch.runs.store.tail import RunTail

    out = Writer(sys.stdout)
    display = PlainDisplay(out, verbose=steps)
    columns = out.size()[0] if out.isatty() else 80

    def tell() -> None:
        report = RunReport(read_run(folder), time.time(), Path.cwd(), _failed(folder))
        out.line("\n".join(render_status(report, columns)))

    tail = RunTail(folder)
    tell()
    if tail.alive:
        out.line("")
        while tail.alive and not out.broken:
            for event in tail.poll():
                display.on_event(event, tail.state)
            time.sleep(LOOK_EVERY)
        out.line("")
        tell()
    tail.close()
    return 1 if out.broken else 0
