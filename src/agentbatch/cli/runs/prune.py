"""`agentbatch prune`: remove the folders of old runs."""

import argparse
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentbatch.errors import UserError

if TYPE_CHECKING:
    from agentbatch.runs.folder import RunFolder
    from agentbatch.runs.pruning import Candidate

UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}

DESCRIPTION = """\
Remove the folders of old runs: by default all finished ones but the 10 newest
runs. Shows what goes and asks first. Results files, task directories and git
branches stay; a run that is under way is never removed.
"""

EPILOG = """\
examples:
  agentbatch prune --dry-run
  agentbatch prune --older-than 30d --yes
  agentbatch prune 20260102-030405-ab12 20260103
  agentbatch prune --keep 3 --all
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "prune",
        help="remove old runs",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="only these: ids, or their beginnings")
    parser.add_argument("--keep", metavar="N", help="leave the N newest [10; 0 with --older-than]")
    parser.add_argument("--older-than", metavar="AGE", help="only runs that ended so long ago: 12h, 30d, 4w")
    parser.add_argument(
        "--all",
        dest="unfinished",
        action="store_true",
        help="also runs with tasks that could still go on, and unreadable ones",
    )
    # Left out, it keeps what the root command's flag said.
    parser.add_argument(
        "--dry-run",
        dest="dry_run",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show what would go, and remove nothing",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.set_defaults(command=prune)


def prune(args: argparse.Namespace) -> int:
    """Raises UserError for runs that cannot go, and when nobody is there to ask."""
    from agentbatch.runs.pruning import size, sweep
    from agentbatch.text import counted, harmless

    base = Path.cwd()
    going = _named(base, args) if args.runs else _by_rule(base, args)
    dry = getattr(args, "dry_run", False)
    if not dry:
        sweep(base)
    if not going:
        sys.stdout.write("There is nothing to remove.\n")
        return 0
    sizes = [size(run.folder.path) for run in going]
    for run, room in zip(going, sizes, strict=True):
        sys.stdout.write(f"  {run.folder.run_id}  {run.condition or 'unreadable':11}  {_shown(room):>8}\n")
    what = f"{counted(len(going), 'run')}, {_shown(sum(sizes))}"
    if dry:
        sys.stdout.write(f"{what} would be removed.\n")
        return 0
    if not args.yes and not _agreed(f"Remove {what}? [y/N] "):
        sys.stdout.write("Nothing was removed.\n")
        return 0
    problems = []
    for run in going:
        problems += _remove(run.folder)
    for problem in problems:
        sys.stderr.write(f"agentbatch: {harmless(problem)}\n")
    if not problems:
        sys.stdout.write(f"Removed {what}.\n")
    return 1 if problems else 0


def _named(base: Path, args: argparse.Namespace) -> "list[Candidate]":
    from agentbatch.runs.listing import find_run
    from agentbatch.runs.pruning import candidate, check_place

    if args.keep is not None or args.older_than is not None:
        raise UserError("prune: name runs, or choose them with --keep and --older-than, not both.")
    folders = {folder.path: folder for folder in (find_run(base, name) for name in args.runs)}
    for folder in folders.values():
        check_place(folder)
    found = [candidate(folder) for folder in folders.values()]
    for run in found:
        run_id = run.folder.run_id
        if run.condition == "running":
            raise UserError(
                f"The run {run_id} is under way: `agentbatch stop {run_id}` first. Nothing was removed."
            )
        if run.condition != "finished" and not args.unfinished:
            state = "cannot be read" if run.condition is None else f"can go on: `agentbatch resume {run_id}`"
            raise UserError(
                f"The run {run_id} {state}. Remove it all the same with --all. Nothing was removed."
            )
    return found


def _by_rule(base: Path, args: argparse.Namespace) -> "list[Candidate]":
    from agentbatch.runs.pruning import KEPT, candidates, choose

    older_than = _age(args.older_than)
    keep = _count(args.keep, KEPT if args.older_than is None else 0)
    return choose(candidates(base), time.time(), keep=keep, older_than=older_than, unfinished=args.unfinished)


def _age(text: str | None) -> float:
    if text is None:
        return 0.0
    match = re.fullmatch(r"([0-9]{1,6})([mhdw])", text)
    if match is None:
        raise UserError(
            f"--older-than: must be a number and m, h, d or w, like 12h or 30d, not {text!r:.60}."
        )
    return float(match[1]) * UNITS[match[2]]


def _count(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UserError(f"--keep: must be a whole number of 0 or more, not {text!r:.60}.")
    return int(text)


def _shown(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _agreed(question: str) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("prune: there is nobody to ask here; say --yes to remove these. Nothing was removed.")
    sys.stdout.write(question)
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _remove(folder: "RunFolder") -> list[str]:
    """Everything that belongs to a run and to nothing else; what stands against it, a sentence each."""
    from agentbatch.runs.pruning import claimed, remove
    from agentbatch.workspace.inspection import remove_isolated_dirs

    try:
        with claimed(folder):
            problems = remove_isolated_dirs(folder.path, os.environ)
            if not problems:
                remove(folder)
            return problems
    except UserError as error:  # an engine has come meanwhile
        return [str(error)]
    except OSError as error:
        return [f"{folder.path} cannot be removed: {error.strerror or error}."]
