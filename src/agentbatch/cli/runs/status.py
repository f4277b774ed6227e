"""`agentbatch status`: how a run is doing."""

import argparse
import gc
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from agentbatch.cli.arguments import RUN_HELP
from agentbatch.display.reports.run_report import RunReport
from agentbatch.display.reports.status import MAX_TASKS, render_status, status_document
from agentbatch.display.writer import Writer
from agentbatch.runs.kind import kind_of
from agentbatch.runs.listing import Run, find_run, open_run
from agentbatch.runs.state.task_state import TaskState
from agentbatch.runs.store.database import load_task, open_database
from agentbatch.runs.store.stored_json import DAMAGE

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
    parser.set_defaults(command=status)


def status(args: argparse.Namespace) -> int:
    base = Path.cwd()
    run = open_run(find_run(base, args.run))
    # Nothing of it is garbage before we end: looking through ten thousand tasks for some takes as long as reading them.
    gc.freeze()
    failed = [] if kind_of(run.state.info).has_tasks else _failed_requests(run)
    report = RunReport(run, time.time(), base, failed)
    if not args.as_json and report.failed:
        _read_whole(run, report.failed[:MAX_TASKS])
        report = replace(report)  # which has looked at the others
    out = Writer(sys.stdout)
    if args.as_json:
        out.line(json.dumps(status_document(report), indent=2))
    else:
        out.line("\n".join(render_status(report, out.columns)))
    return 0


def _read_whole(run: Run, tasks: Sequence[TaskState]) -> None:
    """Those that are shown one by one: why they failed stands in what an outline of a run leaves out."""
    with suppress(*DAMAGE), closing(open_database(run.folder.database)) as connection:
        for task in tasks:
            whole = load_task(connection, task.id)
            if whole is not None and whole.status == task.status:
                run.state.tasks[task.id] = whole


def _failed_requests(run: Run) -> list[tuple[str, str]]:
    from agentbatch.requests.journal.reading import read_failed  # brings the product with it

    return read_failed(run.folder.journal)
