"""`agentbatch resume`: continue a run where it was interrupted."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agentbatch.cli.arguments import RUN_HELP
from agentbatch.cli.flags import add_run_flags, given_flags
from agentbatch.cli.tasks import run
from agentbatch.errors import UserError
from agentbatch.runs.events import RunStarted
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import find_run, recorded

DESCRIPTION = """\
Resume a run: completed tasks are not run again, interrupted tasks continue from
their last stored message, and the rest starts. Flags given here replace those
of the run; what selects tasks (--filter, --reason, paths, --limit) holds this
once.
"""


EPILOG = """\
Every other option of a run works here too: agentbatch --help-all.

examples:
  agentbatch resume
  agentbatch resume 20260102-0304 --retry-failed
  agentbatch resume --retry-failed --filter '^parser'
  agentbatch resume --reason setup,model_error
  agentbatch resume --max-cost 5 --daemon
"""

SHOWN = (
    "retry_failed",
    "reason",
    "force",
    "daemon",
    "max_cost",
    "max_tokens",
    "max_time",
    "wait_for_quota",
    "display",
    "verbose",
)
"""The options that people resume with."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "resume",
        usage="agentbatch resume [RUN] [OPTION ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("run", metavar="RUN", nargs="?", help=RUN_HELP)
    add_run_flags(parser, SHOWN)
    parser.set_defaults(command=resume)


def resume(args: argparse.Namespace) -> int:
    folder = find_run(Path.cwd(), args.run)
    base = folder.path.resolve().parents[2]
    if base != Path.cwd().resolve():
        raise UserError(f"The run {folder.run_id} was started in {base}: cd there first.")
    info = recorded(folder)
    return RESUME[info.kind](folder, info, given_flags(args), args.words)


def _resume_tasks(folder: RunFolder, info: RunStarted, given: dict[str, Any], words: Sequence[str]) -> int:
    return run.start(words, {**info.flags, **given, "resume": True}, folder)


def _resume_requests(
    folder: RunFolder, _info: RunStarted, given: dict[str, Any], words: Sequence[str]
) -> int:
    from agentbatch.cli.requests import run as requests_run  # heavy: only for such a run

    return requests_run.resume_requests(folder, given, words)


RESUME: Mapping[str, Callable[[RunFolder, RunStarted, dict[str, Any], Sequence[str]], int]] = {
    "tasks": _resume_tasks,
    "requests": _resume_requests,
}
"""How a kind of run is resumed."""
