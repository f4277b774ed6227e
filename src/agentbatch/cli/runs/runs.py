"""`agentbatch runs`: the runs of this folder."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "runs",
        help="list the runs of this folder",
        description="List the runs of this folder, the newest first.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print one JSON document")
    parser.set_defaults(command=runs)


def runs(args: argparse.Namespace) -> int:
    from agentbatch.display.reports.runs_table import Unreadable, render_runs, run_line, runs_document
    from agentbatch.display.writer import Writer
    from agentbatch.runs.listing import list_runs, open_run, runs_folder

    base, now = Path.cwd(), time.time()
    found, unreadable = [], []
    for folder in list_runs(base):
        try:
            found.append(run_line(open_run(folder), now))
        except UserError as error:
            unreadable.append(Unreadable(folder.run_id, str(folder.path), str(error)))
    out = Writer(sys.stdout)
    if args.as_json:
        out.line(json.dumps(runs_document(found, unreadable), indent=2))
    elif found or unreadable:
        columns = out.size()[0] if out.isatty() else 80
        out.line("\n".join(render_runs(found, unreadable, now, columns)))
    else:
        out.line(f"There are no runs in this folder ({runs_folder(base)}).")
    return 0
