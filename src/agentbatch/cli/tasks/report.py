"""`agentbatch report`: a run as a page, for a CI system, for a spreadsheet, for other programs."""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agentbatch.cli.complaints import complain
from agentbatch.cli.flags import read_settings
from agentbatch.config.reports import STDOUT, ReportKind, ReportRequest, read_share
from agentbatch.display.reports.material import Material, enough_completed
from agentbatch.display.reports.report import write_report
from agentbatch.errors import UserError
from agentbatch.runs.listing import find_run
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.pricing import ComparisonRow, Prices, compare
from agentbatch.tasks.results.records import Records
from agentbatch.tasks.results.sources import Results, find_source, read_results, run_source
from agentbatch.text import harmless

DESCRIPTION = """\
Write reports of a run, or of a results file: a page to look at, JUnit XML for a
CI system, Markdown, CSV, JSON. Several at once, or one to standard output (-).
"""

EPILOG = """\
examples:
  agentbatch report --html report.html
  agentbatch report 20260102-0304 --junit junit.xml --csv tasks.csv
  agentbatch report --md - >> $GITHUB_STEP_SUMMARY
"""

KINDS: dict[ReportKind, tuple[str, str]] = {
    "html": ("FILE|FOLDER", "a page that needs nothing else; a folder: a page a task"),
    "junit": ("FILE", "JUnit XML, as GitLab and the actions of GitHub read it"),
    "md": ("FILE", "Markdown to read"),
    "csv": ("FILE", "a row a task, for a spreadsheet"),
    "json": ("FILE", "the results document, for programs"),
    "atif": ("FOLDER", "a trajectory a task in Harbor's format, ATIF 1.8"),
    "predictions": ("FILE", "patches as SWE-bench reads them: .jsonl, or .json by instance"),
}
"""What `--KIND` takes and is."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("report", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "source",
        nargs="?",
        metavar="RUN|FILE",
        help="a run's id, how it begins, or its folder; a results file [the newest run]",
    )
    for kind, (metavar, meaning) in KINDS.items():
        parser.add_argument(f"--{kind}", dest=f"report_{kind}", metavar=metavar, help=meaning)
    parser.add_argument(
        "--force", dest="overwrite", action="store_true", help="replace files that are there already"
    )
    parser.add_argument(
        "--fail-under",
        dest="least",
        metavar="PERCENT",
        type=_share,
        help="exit with 1 if fewer of the tasks are completed",
    )
    parser.set_defaults(command=report)


def _share(text: str) -> float:
    try:
        return read_share(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def report(args: argparse.Namespace) -> int:
    """Raises UserError for what is not there, cannot be read or must not be overwritten."""
    wanted = [ReportRequest(kind, place) for kind in KINDS if (place := getattr(args, f"report_{kind}"))]
    if not wanted and args.least is None:
        raise UserError("report: say what to write, e.g. --html report.html, or --md - for standard output.")
    material = material_of(read_source(args.source))
    read_by_somebody = True
    for one in wanted:
        read_by_somebody &= write_report(one, material, overwrite=args.overwrite)
        if one.place != STDOUT:
            sys.stderr.write(f"Written: {harmless(one.place)}\n")
    if args.least is not None and not enough_completed(material.state, args.least):
        complain(f"fewer than {args.least:g}% of the tasks are completed.")
        return 1
    return 0 if read_by_somebody else 1


def read_source(name: str | None) -> Results:
    """None: the newest run."""
    base = Path.cwd()
    return read_results(run_source(find_run(base, None)) if name is None else find_source(base, name))


def material_of(found: Results) -> Material:
    now = time.time() if found.condition == "running" else found.last
    records = Records(found.source.folder)
    return Material(found.state, now, found.source.name, other_models(found.state), records)


def other_models(state: RunState) -> list[ComparisonRow]:
    """The same tokens on other models, as at the end of a run."""
    settings, _ = read_settings({})
    prices = Prices.of(settings.prices, Path.cwd())
    return compare(prices, state.usage, settings.compare_models, datetime.now(UTC))
