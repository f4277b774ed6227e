"""`agentbatch prune`: remove the folders of old runs."""

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from agentbatch.cli.arguments import age, whole
from agentbatch.cli.complaints import complain
from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import find_run
from agentbatch.runs.pruning import (
    KEPT,
    Candidate,
    candidate,
    candidates,
    check_place,
    choose,
    claimed,
    remove,
    size,
    sweep,
)
from agentbatch.text import counted
from agentbatch.workspace.inspection import remove_isolated_dirs
from agentbatch.workspace.setup_cache import FOLDER as SETUPS
from agentbatch.workspace.setup_cache import CacheFolder

DESCRIPTION = """\
Remove the folders of old runs; by default, all finished ones except the 10
newest runs. Lists them and asks first. Results files, task directories and git
branches stay; a run that is still running is never removed.
"""

EPILOG = """\
examples:
  agentbatch prune --dry-run
  agentbatch prune --older-than 30d --yes
  agentbatch prune 20260102-030405-ab12 20260103
  agentbatch prune --keep 3 --all
  agentbatch prune --setups
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "prune",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help="only these: their ids, or how those begin")
    parser.add_argument(
        "--keep", metavar="N", type=whole(), help="keep the N newest [10; 0 with --older-than]"
    )
    parser.add_argument(
        "--older-than", metavar="AGE", type=age, help="only runs that ended so long ago: 12h, 30d, 4w"
    )
    parser.add_argument(
        "--all",
        dest="unfinished",
        action="store_true",
        help="also runs that could be resumed, and unreadable ones",
    )
    # Left out, it keeps what the root command's flag said.
    parser.add_argument(
        "--dry-run",
        dest="dry_run",
        action="store_true",
        default=argparse.SUPPRESS,
        help="list what would be removed, and remove nothing",
    )
    parser.add_argument(
        "--setups", action="store_true", help="remove what setups have made and setup_cache keeps, and no run"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.set_defaults(command=prune)


def prune(args: argparse.Namespace) -> int:
    """Raises UserError for runs that cannot go, and when nobody is there to ask."""
    base = Path.cwd()
    if args.setups:
        return _prune_setups(base, args)
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
        complain(problem)
    if not problems:
        sys.stdout.write(f"Removed {what}.\n")
    return 1 if problems else 0


def _prune_setups(base: Path, args: argparse.Namespace) -> int:
    kept = CacheFolder(base / STATE_FOLDER / SETUPS)
    room = size(kept.path)
    if not room:
        sys.stdout.write("There is nothing to remove.\n")
        return 0
    if getattr(args, "dry_run", False):
        sys.stdout.write(f"What setups have made, {_shown(room)}, would be removed.\n")
        return 0
    if not args.yes and not _agreed(f"Remove what setups have made, {_shown(room)}? [y/N] "):
        sys.stdout.write("Nothing was removed.\n")
        return 0
    try:
        kept.clear()
    except OSError as error:
        raise UserError(str(error)) from None
    sys.stdout.write(f"Removed what setups have made, {_shown(room)}.\n")
    return 0


def _named(base: Path, args: argparse.Namespace) -> list[Candidate]:
    if args.keep is not None or args.older_than is not None:
        raise UserError("prune: name runs, or choose them by --keep and --older-than, not both.")
    folders = {folder.path: folder for folder in (find_run(base, name) for name in args.runs)}
    for folder in folders.values():
        check_place(folder)
    found = [candidate(folder) for folder in folders.values()]
    for run in found:
        run_id = run.folder.run_id
        if run.condition == "running":
            raise UserError(
                f"The run {run_id} is running: `agentbatch stop {run_id}` first. Nothing was removed."
            )
        if (run.resumable or run.condition != "finished") and not args.unfinished:
            state = (
                "cannot be read" if run.condition is None else f"can be resumed: `agentbatch resume {run_id}`"
            )
            raise UserError(f"The run {run_id} {state}. Add --all to remove it anyway. Nothing was removed.")
    return found


def _by_rule(base: Path, args: argparse.Namespace) -> list[Candidate]:
    keep = args.keep
    if keep is None:
        keep = KEPT if args.older_than is None else 0
    return choose(
        candidates(base), time.time(), keep=keep, older_than=args.older_than or 0, unfinished=args.unfinished
    )


def _shown(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _agreed(question: str) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError("prune: nobody can be asked here; add --yes to remove these. Nothing was removed.")
    sys.stdout.write(question)
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _remove(folder: RunFolder) -> list[str]:
    """Everything that belongs to a run and to nothing else; what stands against it, a sentence each."""
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
