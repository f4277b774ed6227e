"""`agentbatch results`: browse earlier runs and results files, export one, compare two."""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentbatch.cli.flags import read_settings
from agentbatch.cli.runs.terminal import can_draw
from agentbatch.display.reports.exports.export import export, write_export
from agentbatch.display.reports.runs.results_list import list_results, unreadable
from agentbatch.display.reports.runs.run_comparison import compare_runs
from agentbatch.display.reports.runs.run_comparison_text import render_run_comparison
from agentbatch.display.reports.runs.runs_table import render_runs
from agentbatch.display.reports.summary import Summary
from agentbatch.display.reports.summary_text import render_text
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import find_run, list_runs, runs_folder
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.pricing import ComparisonRow, Prices, compare
from agentbatch.tasks.results.sources import Results, find_source, list_sources, read_results, run_source
from agentbatch.text import harmless

DESCRIPTION = """\
Browse the runs of this folder and results files, including the original
runner's: in the terminal app, or as text with --plain or without a terminal.
Exports a run as Markdown, CSV or JSON, and compares two.
"""

EPILOG = """\
examples:
  agentbatch results
  agentbatch results parallel_batch_results.json --plain
  agentbatch results 20260102-0304 --export md -o report.md
  agentbatch results --export csv > tasks.csv
  agentbatch results --compare old_results.json 20260102-0304
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "results",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="FILE|RUN",
        help="a results file, a run's id, how it begins, or its folder [all of this folder]",
    )
    parser.add_argument("--plain", action="store_true", help="show text instead of the terminal app")
    parser.add_argument(
        "--export",
        metavar="md|csv|json",
        choices=("md", "csv", "json"),
        help="write the results in this format [of the newest run]",
    )
    # Named so that they are no settings' of the root command.
    parser.add_argument(
        "-o", "--output", dest="export_to", metavar="PATH", help="the file to export to [-: standard output]"
    )
    parser.add_argument(
        "--force", dest="overwrite", action="store_true", help="with -o: replace an existing file"
    )
    parser.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="show two side by side; B is the newer one"
    )
    parser.add_argument(
        "--ascii", dest="ascii_only", action="store_true", help="use plain ASCII characters only"
    )
    parser.set_defaults(command=results)


def results(args: argparse.Namespace) -> int:
    """Raises UserError for what is not there, cannot be read or must not be overwritten."""
    _check(args)
    if args.export:
        return _export(args)
    drawn = can_draw() and not args.plain
    if args.compare:
        return _compare(args, drawn=drawn)
    if drawn:
        from agentbatch.cli.runs import app  # heavy: textual

        return app.open_results(Path.cwd(), args.source, ascii_only=args.ascii_only)
    return _list() if args.source is None else _show(args.source)


def _check(args: argparse.Namespace) -> None:
    if args.compare and (args.export or args.source):
        raise UserError("results: --compare takes two runs or files, and nothing else.")
    if args.export_to and not args.export:
        raise UserError("results: -o is for an export; add --export md, csv or json.")
    if args.overwrite and not args.export_to:
        raise UserError("results: --force goes with -o.")


def _read(name: str | None) -> Results:
    """None: the newest run."""
    base = Path.cwd()
    return read_results(run_source(find_run(base, None)) if name is None else find_source(base, name))


def _export(args: argparse.Namespace) -> int:
    found = _read(args.source)
    now = time.time() if found.condition == "running" else found.last
    comparison = [] if args.export == "csv" else _comparison(found.state)
    text = export(args.export, found.state, now, found.source.name, comparison)
    if args.export_to and args.export_to != "-":
        write_export(Path(args.export_to), text, overwrite=args.overwrite)
        sys.stderr.write(f"Written: {harmless(args.export_to)}\n")
        return 0
    out = Writer(sys.stdout)
    out.write(text)
    out.flush()
    return 1 if out.broken else 0


def _comparison(state: RunState) -> list[ComparisonRow]:
    """The same tokens on other models, as at the end of a run."""
    settings, _ = read_settings({})
    prices = Prices.of(settings.prices, Path.cwd())
    return compare(prices, state.usage, settings.compare_models, datetime.now(UTC))


def _compare(args: argparse.Namespace, *, drawn: bool) -> int:
    first, second = (_read(name) for name in args.compare)
    comparison = compare_runs(first, second, time.time())
    if drawn:
        from agentbatch.cli.runs import app  # heavy: textual

        return app.open_comparison(comparison, ascii_only=args.ascii_only)
    out = Writer(sys.stdout)
    out.line("\n".join(render_run_comparison(comparison, out.columns)))
    return 0


def _list() -> int:
    base, now = Path.cwd(), time.time()
    listed = list_results(list_sources(base), now)
    out = Writer(sys.stdout)
    sections = []
    for what in ("run", "results file"):
        group = [one for one in listed if (one.source.folder is None) == (what == "results file")]
        lines = [one.line for one in group if one.line is not None]
        if group:
            sections.append(render_runs(lines, unreadable(group), now, out.columns, what))
    if sections:
        out.line("\n\n".join("\n".join(section) for section in sections))
    else:
        out.line(f"There are no runs ({runs_folder(base)}) and no results files in this folder.")
        out.line("`agentbatch` starts a run; `agentbatch init` makes a task file.")
    return 0


def _show(name: str) -> int:
    """The closing summary of a run or a file."""
    found = _read(name)
    out = Writer(sys.stdout)
    out.line("\n".join(render_text(_summary(found), out.columns)))
    return 0


def _summary(found: Results) -> Summary:
    folder: RunFolder | None = found.source.folder
    info = found.state.info
    if folder is None and info is not None and info.run_id:
        # A file of a run that lies here still has its log and its transcripts, and can be resumed.
        folder = next((run for run in list_runs(Path.cwd()) if run.run_id == info.run_id), None)
    place = found.source.path / "results.json" if found.source.folder else found.source.path
    running = found.condition == "running"
    return Summary(
        found.state,
        _comparison(found.state),
        place,
        folder.path if folder else None,
        name=found.source.name,
        now=time.time() if running else found.last,
        can_resume=folder is not None and not running,
    )
