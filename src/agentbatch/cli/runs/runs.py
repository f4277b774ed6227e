"""`agentbatch runs`: the runs of this folder."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from agentbatch.display.reports.runs.runs_table import Unreadable, render_runs, run_line, runs_document
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError
from agentbatch.runs.listing import list_runs, open_run, runs_folder


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "runs",
        aliases=["ls"],
        description="List the runs of this folder, newest first.",
    )
    parser.add_argument("--json", dest="as_json", action="store_true", help="print one JSON document")
    parser.set_defaults(command=runs)


def runs(args: argparse.Namespace) -> int:
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
        out.line("\n".join(render_runs(found, unreadable, now, out.columns)))
    else:
        out.line(f"There are no runs in this folder ({runs_folder(base)}).")
    return 0
