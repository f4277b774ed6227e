"""Commands for a run that another process works on: `stop`, `pause`, `unpause`, `cancel`, `retry`, `set`."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from agentbatch.cli.arguments import whole
from agentbatch.cli.complaints import complain
from agentbatch.cli.runs.choice import chosen_task, running_run
from agentbatch.errors import UserError
from agentbatch.runs.control.commands import send_command
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.kind import MAX_REQUESTS_AT_ONCE, MAX_TASKS_AT_ONCE, kind_of, resume_command
from agentbatch.runs.listing import open_run
from agentbatch.text import fold, harmless

WAIT_POLL = 0.2
"""Seconds between two looks whether the run is over."""

COLUMNS = 80


def add_parser(subparsers: Any) -> None:
    """All commands of this module."""
    stop = _command(subparsers, "stop", _stop, STOP)
    stop.add_argument("run", nargs="?", metavar="RUN", help=RUN_HELP)
    stop.add_argument("--now", action="store_true", help="cut off running model calls and commands")
    stop.add_argument("--wait", action="store_true", help="return when the run has ended")
    _add_task(_command(subparsers, "pause", _of_task("pause"), PAUSE), optional=True)
    _add_task(
        _command(subparsers, "unpause", _of_task("resume-paused"), UNPAUSE, aliases=["resume-paused"]),
        optional=True,
    )
    _add_task(_command(subparsers, "cancel", _of_task("cancel"), CANCEL))
    _add_task(_command(subparsers, "retry", _of_task("retry"), RETRY))
    setting = _command(subparsers, "set", _set, SET)
    setting.add_argument("name", choices=["concurrency"], help="what to change")
    setting.add_argument(
        "number",
        type=whole(1, MAX_REQUESTS_AT_ONCE),
        metavar="N",
        help=f"tasks at a time, 1 to {MAX_TASKS_AT_ONCE}; plain requests: 1 to {MAX_REQUESTS_AT_ONCE}",
    )
    _add_run(setting)


STOP = """\
Stop a run: nothing new starts, and running tasks end after their iteration. It
can be resumed later.
"""
PAUSE = """\
Pause a run, or one task, before its next model call. A call or command that is
running ends first. Time limits stand still meanwhile.
"""
UNPAUSE = "Continue what `agentbatch pause` paused."
CANCEL = "End one task of a run at once. The others continue."
RETRY = "Run a task again from its start, after it has ended."
SET = "Change how many tasks run at a time. Running tasks are not cut off."

RUN_HELP = "the run's id, or how it begins [the newest running one]"
TASK_HELP = "its id, how that begins, or its number as in `task 3/10`"


def _command(
    subparsers: Any,
    name: str,
    do: Callable[[argparse.Namespace], int],
    text: str,
    aliases: Sequence[str] = (),
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(name, description=text, aliases=aliases)
    parser.set_defaults(command=do)
    return parser


def _add_task(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    both: dict[str, Any] = {"nargs": "?"} if optional else {}
    more = " [the whole run]" if optional else ""
    parser.add_argument("task", metavar="TASK", help=TASK_HELP + more, **both)
    _add_run(parser)


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", metavar="RUN", help=RUN_HELP)


def _stop(args: argparse.Namespace) -> int:
    folder = running_run(args.run)
    engine = holder(folder)
    code = ask(folder, "stop", {"now": args.now})
    if code == 0 and args.wait:
        while engine and holder(folder) == engine:
            time.sleep(WAIT_POLL)
        sys.stdout.write("The run has ended.\n")
    command = resume_command(open_run(folder).state)
    if code == 0 and command:
        sys.stdout.write(f"Resume it later: {command}\n")
    return code


def _set(args: argparse.Namespace) -> int:
    folder = running_run(args.run)
    maximum = kind_of(open_run(folder).state.info).max_at_once
    if args.number > maximum:
        raise UserError(f"set concurrency takes a number from 1 to {maximum}.")
    return ask(folder, "set-concurrency", {"number": args.number})


def _of_task(name: str) -> Callable[[argparse.Namespace], int]:
    """What asks the engine for `name`, of one task or of the whole run."""

    def do(args: argparse.Namespace) -> int:
        folder = running_run(args.run, again=args.task if name == "retry" else None)
        task = chosen_task(folder, args.task)[0] if args.task is not None else None
        return ask(folder, name, {"task": task})

    return do


def ask(folder: RunFolder, name: str, arguments: dict[str, Any]) -> int:
    """Ask the engine and say what it answered. Returns the exit code: 1 when it was not done."""
    answer = send_command(folder, name, arguments)
    if not answer.ok:
        complain(answer.text)
        return 1
    sys.stdout.write("\n".join(fold(harmless(answer.text), COLUMNS)) + "\n")
    return 0
