"""`agentbatch results`: look at earlier runs and results files, export one, compare two."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentbatch.cli.runs.app import can_draw
from agentbatch.errors import UserError

if TYPE_CHECKING:
    from agentbatch.display.reports.summary import Summary
    from agentbatch.display.writer import Writer
    from agentbatch.runs.state import RunState
    from agentbatch.spending.pricing import ComparisonRow
    from agentbatch.tasks.results.sources import Results

DESCRIPTION = """\
Look at the runs of this folder and at results files, also those of the original
runner: in the terminal app, or, with --plain or without a terminal, as text.
Writes a run as Markdown, CSV or JSON; compares two.
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
        help="look at earlier runs and results files",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="FILE|RUN",
        help="a results file, a run's id or its beginning, or a run's folder [all of this folder]",
    )
    parser.add_argument("--plain", action="store_true", help="text instead of the terminal app")
    parser.add_argument(
        "--export",
        metavar="md|csv|json",
        choices=("md", "csv", "json"),
        help="write it instead [the newest run]",
    )
    # Named so that they are no settings' of the root command.
    parser.add_argument(
        "-o", "--output", dest="export_to", metavar="PATH", help="where the export goes [standard output]"
    )
    parser.add_argument(
        "--force", dest="overwrite", action="store_true", help="with -o: also over a file that is there"
    )
    parser.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="two of them side by side; B is the newer one"
    )
    parser.add_argument("--ascii", dest="ascii_only", action="store_true", help="signs of plain ASCII only")
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
        return _open(args)
    return _list() if args.source is None else _tell(args.source)


def _check(args: argparse.Namespace) -> None:
    if args.compare and (args.export or args.source):
        raise UserError("results: --compare takes the two that it names, and nothing else.")
    if args.export_to and not args.export:
        raise UserError("results: -o says where an export goes; add --export md, csv or json.")
    if args.overwrite and not args.export_to:
        raise UserError("results: --force is for a file that -o names.")


def _read(name: str | None) -> "Results":
    """None: the newest run."""
    from agentbatch.runs.listing import find_run
    from agentbatch.tasks.results.sources import find_source, read_results, run_source

    base = Path.cwd()
    return read_results(run_source(find_run(base, None)) if name is None else find_source(base, name))


def _export(args: argparse.Namespace) -> int:
    from agentbatch.display.reports.exports.export import export, write_export
    from agentbatch.display.writer import Writer
    from agentbatch.text import harmless

    found = _read(args.source)
    now = time.time() if found.condition == "running" else found.last
    comparison = [] if args.export == "csv" else _comparison(found.state)
    text = export(args.export, found.state, now, found.source.name, comparison)
    if args.export_to:
        write_export(Path(args.export_to), text, overwrite=args.overwrite)
        sys.stderr.write(f"Written: {harmless(args.export_to)}\n")
        return 0
    out = Writer(sys.stdout)
    out.write(text)
    out.flush()
    return 1 if out.broken else 0


def _comparison(state: "RunState") -> "list[ComparisonRow]":
    """The same tokens on other models, as a run's end tells it."""
    from datetime import UTC, datetime

    from agentbatch.cli.tasks.run import read_settings
    from agentbatch.spending.pricing import Prices, compare

    settings, _ = read_settings({})
    prices = Prices.of(settings.prices, Path.cwd())
    return compare(prices, state.usage, settings.compare_models, datetime.now(UTC))


def _compare(args: argparse.Namespace, *, drawn: bool) -> int:
    from agentbatch.display.reports.run_comparison import compare_runs
    from agentbatch.display.reports.run_comparison_text import render_run_comparison

    first, second = (_read(name) for name in args.compare)
    comparison = compare_runs(first, second, time.time())
    if drawn:
        from agentbatch.tui.app import AgentbatchApp
        from agentbatch.tui.screens.compare_runs import CompareRunsScreen

        app = AgentbatchApp(
            lambda app: CompareRunsScreen(comparison, glyphs=app.glyphs), ascii_only=args.ascii_only
        )
        return app.run() or app.return_code or 0
    out, columns = _out()
    out.line("\n".join(render_run_comparison(comparison, columns)))
    return 0


def _out() -> "tuple[Writer, int]":
    from agentbatch.display.writer import Writer

    out = Writer(sys.stdout)
    return out, out.size()[0] if out.isatty() else 80


def _open(args: argparse.Namespace) -> int:
    """The terminal app: the browser, or what was named."""
    from agentbatch.tasks.results.sources import find_source
    from agentbatch.tui.app import AgentbatchApp
    from agentbatch.tui.screens.results import view_of

    base = Path.cwd()
    if args.source is None:
        app = AgentbatchApp(lambda app: app.results_screen(base), ascii_only=args.ascii_only)
    else:
        view = view_of(find_source(base, args.source))
        app = AgentbatchApp(lambda app: app.run_screen(view, control=False), ascii_only=args.ascii_only)
    return app.run() or app.return_code or 0


def _list() -> int:
    from agentbatch.display.reports.results_list import list_results, unreadable
    from agentbatch.display.reports.runs_table import render_runs
    from agentbatch.runs.listing import runs_folder
    from agentbatch.tasks.results.sources import list_sources

    base, now = Path.cwd(), time.time()
    listed = list_results(list_sources(base), now)
    out, columns = _out()
    sections = []
    for what in ("run", "results file"):
        group = [one for one in listed if (one.source.folder is None) == (what == "results file")]
        lines = [one.line for one in group if one.line is not None]
        if group:
            sections.append(render_runs(lines, unreadable(group), now, columns, what))
    if sections:
        out.line("\n\n".join("\n".join(section) for section in sections))
    else:
        out.line(f"There are no runs ({runs_folder(base)}) and no results files in this folder.")
        out.line("`agentbatch` starts a run; `agentbatch init` makes a task file.")
    return 0


def _tell(name: str) -> int:
    """The closing summary of a run or a file."""
    from agentbatch.display.reports.summary import render_text

    found = _read(name)
    out, columns = _out()
    out.line("\n".join(render_text(_summary(found), columns)))
    return 0


def _summary(found: "Results") -> "Summary":
    from agentbatch.display.reports.summary import Summary
    from agentbatch.runs.folder import RunFolder
    from agentbatch.runs.listing import list_runs

    folder: RunFolder | None = found.source.folder
    info = found.state.info
    if folder is None and info is not None and info.run_id:
        # A file of a run that lies here still has its log and its transcripts, and can go on.
        folder = next((run for run in list_runs(Path.cwd()) if run.run_id == info.run_id), None)
    place = found.source.path / "results.json" if found.source.folder else found.source.path
    under_way = found.condition == "running"
    return Summary(
        found.state,
        _comparison(found.state),
        place,
        folder.path if folder else None,
        name=found.source.name,
        now=time.time() if under_way else found.last,
        can_resume=folder is not None and not under_way,
    )
