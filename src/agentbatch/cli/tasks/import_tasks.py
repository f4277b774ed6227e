"""`agentbatch tasks import`: tasks of benchmarks as a task file and directories."""

import argparse
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError
from agentbatch.tasks.imports.import_tasks import TASK_FILE, ImportOptions, ImportProgress, import_tasks
from agentbatch.text import counted, harmless

DESCRIPTION = """\
Make a task file and a directory a task from what others have: rows of
SWE-bench (.jsonl or .json), with checkouts from clones on this machine, or
Harbor's task folders. Their tests become hidden_verify. Nothing is fetched and
nothing of theirs is run.
"""

EPILOG = """\
examples:
  agentbatch tasks import verified.jsonl --repos clones --into bench
  agentbatch tasks import terminal-bench/tasks --into bench --rewrite-paths
  agentbatch -t bench/task.json --dry-run
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("tasks", description="Task files.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    one = commands.add_parser(
        "import", help="make a task file of a benchmark's tasks", description=DESCRIPTION, epilog=EPILOG
    )
    one.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="a file of rows, a task folder, or a folder of these",
    )
    one.add_argument(
        "--into", type=Path, required=True, metavar="FOLDER", help="a new folder, for what is made"
    )
    one.add_argument("--repos", type=Path, metavar="DIR", help="SWE-bench: a folder with clones, bare or not")
    one.add_argument(
        "--test-command",
        default="",
        metavar="COMMAND",
        help="SWE-bench: what runs the tests that are named behind it [python3 -m pytest]",
    )
    one.add_argument(
        "--rewrite-paths",
        action="store_true",
        help="Harbor: prompts name files of the task's directory, not of the container",
    )
    one.add_argument(
        "--filter", dest="pattern", type=_pattern, default="", metavar="REGEX", help="only ids that match"
    )
    one.add_argument("--limit", type=_number, metavar="N", help="only the first N of these")
    one.set_defaults(command=run)


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {error}") from None
    return text


def _number(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number of 1 or more, not {text!r}")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """0: all; 1: some could not be imported. Raises UserError where none could."""
    wanted = ImportOptions(
        args.into, args.repos, args.test_command, args.rewrite_paths, args.pattern, args.limit
    )
    counts = dict.fromkeys(("imported", "note", "left out"), 0)
    for told in import_tasks(args.sources, wanted, os.environ):
        counts[told.done] += 1
        _show(told)
    if not counts["imported"]:
        raise UserError("None of the tasks could be imported.")
    total = counts["imported"] + counts["left out"]
    place = args.into / TASK_FILE
    sys.stdout.write(
        f"\n{counts['imported']} of {counted(total, 'task')} imported into {harmless(str(place))}. Next:\n"
        f"agentbatch -t {harmless(shlex.quote(str(place)))} --dry-run\n"
    )
    return 1 if counts["left out"] else 0


def _show(told: ImportProgress) -> None:
    line = f"  {told.done:<8}  {harmless(told.task)}"
    out = sys.stdout if told.done == "imported" else sys.stderr
    out.write(f"{line}: {harmless(told.sentence)}\n" if told.sentence else f"{line}\n")
    out.flush()
