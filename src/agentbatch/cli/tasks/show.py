"""`agentbatch show TASK`: one task as text, or what it changed."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from agentbatch.cli.complaints import complain
from agentbatch.cli.runs.choice import matching_task
from agentbatch.display.reports.task_report import render_task
from agentbatch.display.writer import Writer
from agentbatch.errors import UserError, cannot_be
from agentbatch.runs.listing import find_run
from agentbatch.tasks.results.changes import PATCH, read_changes, read_patch
from agentbatch.tasks.results.sources import Results, find_source, read_results, run_source
from agentbatch.text import harmless
from agentbatch.workspace.files.diff.file_diff import FileChange

DESCRIPTION = """\
Show one task of a run: its prompt, how it ended and why, every verdict, the
files that it changed. --diff prints the changes alone, for a pager or for
`git apply`.
"""

EPILOG = """\
examples:
  agentbatch show sales-report
  agentbatch show 3 --diff | less -R
  agentbatch show 3 --diff | git apply --directory=elsewhere
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("show", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("task_id", metavar="TASK", help="a task's id, how it begins, or its number")
    parser.add_argument(
        "--run", metavar="RUN|FILE", help="a run, or a results file [the newest run of this folder]"
    )
    parser.add_argument("--diff", action="store_true", help="only what it changed, as a patch")
    parser.set_defaults(command=show)


def show(args: argparse.Namespace) -> int:
    """Raises UserError for a run, a task or a patch that is not there."""
    base = Path.cwd()
    found = read_results(
        run_source(find_run(base, None)) if args.run is None else find_source(base, args.run)
    )
    state = found.state
    places = {name: task.index for name, task in state.tasks.items()}
    task_id = args.task_id if args.task_id in state.attempts else matching_task(places, args.task_id)
    task, folder = state.by_id[task_id], _folder(found, task_id)
    out = Writer(sys.stdout)
    if args.diff:
        out.write(_patch(folder, task_id, safe=out.isatty()))
    else:
        changes = _changes(folder)
        alive = found.condition == "running"
        now = time.time() if alive else found.last
        out.line("\n".join(render_task(task, changes, folder, now, out.columns, alive=alive)))
    out.flush()
    return 1 if out.broken else 0


def _folder(found: Results, task_id: str) -> Path | None:
    """Where the run keeps what belongs to the task; None: a results file alone."""
    folder = found.source.folder
    return folder.task(task_id) if folder is not None else None


def _changes(folder: Path | None) -> list[FileChange]:
    """None are kept of a task that has ended no iteration."""
    if folder is None:
        return []
    try:
        return read_changes(folder)[0]
    except FileNotFoundError:
        return []


def _patch(folder: Path | None, task_id: str, *, safe: bool) -> str:
    """What the task changed; `safe`: for a terminal, on which foreign text must not act. Raises UserError."""
    if folder is None:
        raise UserError("A results file has no changes in it; name the run: agentbatch runs lists them.")
    try:
        text = read_patch(folder)
    except FileNotFoundError:
        raise UserError(f"Nothing is kept of what {task_id} changed: no iteration of it has ended.") from None
    except OSError as error:
        raise cannot_be("read", folder / PATCH, error) from None
    if not text:
        complain(f"{task_id} changed nothing.")
    return "".join(map(_safe, text.splitlines(keepends=True))) if safe else text


def _safe(line: str) -> str:
    """With its spaces and tabs, and without what acts on a terminal."""
    parts = line.rstrip("\r\n").expandtabs(4).split(" ")
    return " ".join(harmless(part) for part in parts) + "\n"
