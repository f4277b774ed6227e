"""`agentbatch status`: how a run is doing."""

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from agentbatch.cli.arguments import RUN_HELP
from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.reports.status import MAX_TASKS, render_status, status_document
from agentbatch.display.writer import Writer
from agentbatch.runs.kind import kind_of
from agentbatch.runs.listing import Run, find_run, open_run

DESCRIPTION = """\
Show how a run is doing, while it runs or afterwards: its tasks, which failed
and why, tokens, cost, and the command that resumes it.
"""

EPILOG = """\
examples:
  agentbatch status
  agentbatch status 20260102-0304
  agentbatch status --json | jq -r '.failedList[] | "\\(.id): \\(.reason)"'

The exit code is 0 whenever the status could be shown, even if tasks failed.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "status",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--json", dest="as_json", action="store_true", help="print one JSON document")
    parser.add_argument("--all", action="store_true", help="list every failed task, not only the first 20")
    parser.set_defaults(command=status)


def status(args: argparse.Namespace) -> int:
    base = Path.cwd()
    run = open_run(find_run(base, args.run))
    # Nothing of it is garbage before we end: looking through ten thousand tasks for some takes as long as reading them.
    gc.freeze()
    failed = [] if kind_of(run.state.info).has_tasks else _failed_requests(run)
    report = RunReport(run, time.time(), base, failed)
    out = Writer(sys.stdout)
    if args.as_json:
        out.line(json.dumps(status_document(report), indent=2))
    else:
        out.line("\n".join(render_status(report, out.columns, len(report.failed) if args.all else MAX_TASKS)))
    return 0


def _failed_requests(run: Run) -> list[tuple[str, str]]:
    from agentbatch.requests.journal.reading import read_failed  # brings the product with it

    return read_failed(run.folder.journal)
