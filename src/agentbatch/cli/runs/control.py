"""Steering a run that another process works on: `stop`, `pause`, `resume-paused`, `cancel`, `retry`, `set`."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentbatch.cli.runs.task_choice import choose_task
from agentbatch.errors import UserError
from agentbatch.runs.control.commands import send_command
from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.kind import (
    MAX_REQUESTS_AT_ONCE,
    MAX_TASKS_AT_ONCE,
    kind_of,
    resume_command,
    retry_command,
)
from agentbatch.runs.listing import find_run, list_runs, open_run
from agentbatch.text import fold, harmless

NAMES = ("stop", "pause", "resume-paused", "cancel", "retry", "set")
"""The commands of this module."""

WAIT_POLL = 0.2
"""Seconds between two looks whether the run is over."""

COLUMNS = 80


def add_parser(subparsers: Any) -> None:
    """All commands of this module."""
    stop = _command(subparsers, "stop", _stop, "end a run that can go on later", STOP)
    stop.add_argument("run", nargs="?", metavar="RUN", help=RUN_HELP)
    stop.add_argument("--now", action="store_true", help="cut off calls and commands that are under way")
    stop.add_argument("--wait", action="store_true", help="return when the run is over")
    for name, do, text, more in (
        ("pause", _pause, "hold a run, or one task, before its next model call", PAUSE),
        ("resume-paused", _resume_paused, "let what was paused go on", RESUME_PAUSED),
    ):
        _add_task(_command(subparsers, name, do, text, more), optional=True)
    _add_task(_command(subparsers, "cancel", _cancel, "end one task of a run", CANCEL))
    _add_task(_command(subparsers, "retry", _retry, "run a task that is over again", RETRY))
    setting = _command(subparsers, "set", _set, "change how many tasks run at the same time", SET)
    setting.add_argument("name", choices=["concurrency"], help="what to change")
    setting.add_argument(
        "number",
        type=int,
        metavar="N",
        help=f"tasks at the same time, 1 to {MAX_TASKS_AT_ONCE}; plain requests: 1 to {MAX_REQUESTS_AT_ONCE}",
    )
    _add_run(setting)


STOP = """\
Stop a run: nothing new starts, and what runs ends after its iteration. It stays
resumable. Without RUN: the newest run of this folder that is under way.
"""
PAUSE = """\
Hold the whole run, or one task, before its next model call. A call or command
that is under way ends first. Time limits stand still meanwhile.
"""
RESUME_PAUSED = "Let the run, or one task, go on after `agentbatch pause`."
CANCEL = "End a task of a running run, at once. The others go on."
RETRY = "Run a task that is over again, from its start, in a run that is under way."
SET = "Change how many tasks run at the same time. Running tasks are not cut off."

RUN_HELP = "its id, or how that begins [the newest that is under way]"
TASK_HELP = "its id, how that begins, or its number as in `task 3/10`"


def _command(
    subparsers: Any, name: str, do: Callable[[argparse.Namespace], int], text: str, more: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=text,
        description=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
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
    folder = running_run(Path.cwd(), args.run)
    engine = holder(folder)
    code = _ask(folder, "stop", {"now": args.now})
    if code == 0 and args.wait:
        while engine and holder(folder) == engine:
            time.sleep(WAIT_POLL)
        sys.stdout.write("The run is over.\n")
    command = resume_command(open_run(folder).state)
    if code == 0 and command:
        sys.stdout.write(f"Go on later with: {command}\n")
    return code


def _pause(args: argparse.Namespace) -> int:
    return _ask_of_task("pause", args)


def _resume_paused(args: argparse.Namespace) -> int:
    return _ask_of_task("resume-paused", args)


def _cancel(args: argparse.Namespace) -> int:
    return _ask_of_task("cancel", args)


def _retry(args: argparse.Namespace) -> int:
    return _ask_of_task("retry", args)


def _set(args: argparse.Namespace) -> int:
    folder = running_run(Path.cwd(), args.run)
    most = kind_of(open_run(folder).state.info).max_at_once
    if not 1 <= args.number <= most:
        raise UserError(f"set concurrency takes a number from 1 to {most}.")
    return _ask(folder, "set-concurrency", {"number": args.number})


def _ask_of_task(name: str, args: argparse.Namespace) -> int:
    folder = running_run(Path.cwd(), args.run)
    task = choose_task(folder.database, args.task) if args.task is not None else None
    return _ask(folder, name, {"task": task})


def running_run(base: Path, name: str | None) -> RunFolder:
    """The run that is meant, with an engine at work on it. Raises UserError when there is none."""
    if name is None:
        for folder in list_runs(base):
            if holder(folder):
                return folder
    folder = find_run(base, name)
    if holder(folder):
        return folder
    state = open_run(folder).state
    command = resume_command(state) or retry_command(state)
    raise UserError(
        (f"The run {folder.run_id} is not under way." if name else "No run of this folder is under way.")
        + (f" `{command}` goes on with {'it' if name else 'the newest'}." if command else "")
    )


def _ask(folder: RunFolder, name: str, arguments: dict[str, Any]) -> int:
    """Ask the engine and say what it answered. Returns the exit code: 1 when it was not done."""
    answer = send_command(folder, name, arguments)
    text = harmless(answer.text) if answer.ok else f"agentbatch: {harmless(answer.text)}"
    (sys.stdout if answer.ok else sys.stderr).write("\n".join(fold(text, COLUMNS)) + "\n")
    return 0 if answer.ok else 1
