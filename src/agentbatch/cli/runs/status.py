"""`agentbatch status`: how a run stands."""

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Tell how a run stands: its tasks, what they do, which failed and why, tokens and
cost, and the command that goes on with it. Also while it runs.
"""

EPILOG = """\
examples:
  agentbatch status
  agentbatch status 20260102-0304
  agentbatch status --json | jq -r '.failedList[] | "\\(.id): \\(.reason)"'

The exit code is 0 when it could be told, also of a run in which tasks failed.
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "status",
        help="how a run stands",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "run", nargs="?", metavar="RUN", help="an id, its beginning, or a run's folder [the newest run]"
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print one JSON document")
    parser.set_defaults(command=status)


def status(args: argparse.Namespace) -> int:
    from agentbatch.display.reports.run_report import RunReport
    from agentbatch.display.reports.status import render_status, status_document
    from agentbatch.display.writer import Writer
    from agentbatch.runs.kind import kind_of
    from agentbatch.runs.listing import find_run, open_run

    base = Path.cwd()
    run = open_run(find_run(base, args.run))
    # Nothing of it is garbage before we end: looking through ten thousand tasks for some takes as long as reading them.
    gc.freeze()
    failed: list[tuple[str, str]] = []
    if not kind_of(run.state.info).has_tasks:
        from agentbatch.requests.journal.failed_requests import read_failed

        failed = read_failed(run.folder.journal)
    report = RunReport(run, time.time(), base, failed)
    out = Writer(sys.stdout)
    if args.as_json:
        out.line(json.dumps(status_document(report), indent=2))
    else:
        columns = out.size()[0] if out.isatty() else 80
        out.line("\n".join(render_status(report, columns)))
    return 0
