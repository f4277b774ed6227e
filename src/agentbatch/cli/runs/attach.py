"""`agentbatch attach` and `agentbatch watch`: look at a run that another process works on."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from agentbatch.cli.arguments import ACTIVE_RUN_HELP
from agentbatch.cli.runs.choice import chosen_run
from agentbatch.cli.runs.terminal import can_draw, check_terminal
from agentbatch.display.plain import PlainDisplay
from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.reports.status import render_status
from agentbatch.display.writer import Writer
from agentbatch.requests.journal.reading import read_failed
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.kind import kind_of
from agentbatch.runs.listing import open_run as read_run
from agentbatch.runs.store.tail import RunTail

ATTACH = """\
Open a run in the terminal app, whether it is running or has ended. It only
shows the run; --control lets you steer it.
"""
WATCH = """\
Follow a run until it ends: in the terminal app, or as lines with --plain,
without a terminal, and for plain requests.
"""
LOOK_EVERY = 0.25
"""Seconds."""


def add_parser(subparsers: Any) -> None:
    """Both commands of this module."""
    attach = _command(subparsers, "attach", ATTACH)
    attach.add_argument("--control", action="store_true", help="allow pause, cancel, retry and the like")
    attach.set_defaults(command=_attach)
    watch = _command(subparsers, "watch", WATCH)
    watch.add_argument("--plain", action="store_true", help="lines instead of the terminal app")
    watch.add_argument("-v", "--verbose", dest="steps", action="store_true", help="with --plain: every step")
    watch.set_defaults(command=_watch)


def _command(subparsers: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        description=text,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help=ACTIVE_RUN_HELP)
    parser.add_argument(
        "--ascii", dest="ascii_only", action="store_true", help="use plain ASCII characters only"
    )
    return parser


def _attach(args: argparse.Namespace) -> int:
    folder = chosen_run(args.run)
    check_terminal(f"agentbatch watch --plain {folder.run_id}")
    return _open(folder, control=args.control, ascii_only=args.ascii_only)


def _watch(args: argparse.Namespace) -> int:
    folder = chosen_run(args.run)
    # Only runs of tasks are shown by the terminal app.
    if can_draw() and not args.plain and kind_of(read_run(folder).state.info).has_tasks:
        return _open(folder, control=False, ascii_only=args.ascii_only)
    return _print_run(folder, steps=args.steps)


def _open(folder: RunFolder, *, control: bool, ascii_only: bool) -> int:
    from agentbatch.cli.runs import app  # heavy: textual

    return app.open_run(folder, control=control, ascii_only=ascii_only)


def _print_run(folder: RunFolder, *, steps: bool) -> int:
    out = Writer(sys.stdout)
    display = PlainDisplay(out, verbose=steps)

    def show_status() -> None:
        report = RunReport(read_run(folder), time.time(), Path.cwd(), read_failed(folder.journal))
        out.line("\n".join(render_status(report, out.columns)))

    tail = RunTail(folder)
    show_status()
    if tail.alive:
        out.line("")
        while tail.alive and not out.broken:
            for event in tail.poll():
                display.on_event(event, tail.state)
            time.sleep(LOOK_EVERY)
        out.line("")
        show_status()
    tail.close()
    return 1 if out.broken else 0
