"""`agentbatch resume`: go on with a run where it was interrupted."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from agentbatch.cli.requests.run import resume_requests
from agentbatch.cli.runs.earlier_runs import recorded
from agentbatch.cli.tasks import run
from agentbatch.errors import UserError
from agentbatch.runs.events import RunStarted
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import find_run

DESCRIPTION = """\
Go on with a run: completed tasks are not run again, tasks that were under way go
on from their last stored message, the rest starts. Flags that are given here
replace those of the run.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "resume",
        help="go on with a run that was interrupted",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help="its id, or how that begins [the newest]")
    run.add_flags(parser)
    parser.set_defaults(command=resume)


def resume(args: argparse.Namespace) -> int:
    folder = find_run(Path.cwd(), args.run)
    base = folder.path.resolve().parents[2]
    if base != Path.cwd().resolve():
        raise UserError(
            f"The run {folder.run_id} was started in {base}: go there first (cd), and say it again."
        )
    info = recorded(folder)
    given = run.given_flags(args)
    return RESUME[info.kind](folder, info, given)


def _resume_tasks(folder: RunFolder, info: RunStarted, given: dict[str, Any]) -> int:
    return run.start({**info.flags, **given, "resume": True}, folder)


def _resume_requests(folder: RunFolder, info: RunStarted, given: dict[str, Any]) -> int:
    return resume_requests(folder, given)


RESUME: Mapping[str, Callable[[RunFolder, RunStarted, dict[str, Any]], int]] = {
    "tasks": _resume_tasks,
    "requests": _resume_requests,
}
"""How a kind of run is resumed from the command line."""
