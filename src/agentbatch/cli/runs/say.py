"""`agentbatch say`: a user's words for the coder of a task under way."""

import argparse
import os
import sys
from typing import Any

from agentbatch.cli.parser import CommandParser
from agentbatch.cli.runs.choice import chosen_task, running_run
from agentbatch.cli.runs.control import RUN_HELP, ask
from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs.control.user_message import MAX_MESSAGE, say_arguments

SAY = """\
Say something to the coder of a task under way: it is told before its next model
call (another coder than `builtin`: with its next prompt). The judge sees it as
part of the task, and no work is accepted whose coder has not heard it.
"""

NOTHING = 'What is to be said? `agentbatch say TASK "..."`, or `-` to read it from standard input.'


def add_parser(subparsers: Any) -> None:
    parser: CommandParser = subparsers.add_parser("say", description=SAY)
    parser.intermixed = True
    parser.set_defaults(command=_say)
    parser.add_argument("--all", action="store_true", help="to all tasks that are not over; TASK is left out")
    task = "its id, how that begins, or its number; of an attempt: t@2"
    parser.add_argument("task", metavar="TASK", nargs="?", help=task)
    parser.add_argument("text", metavar="TEXT", nargs="*", help="what to say; `-` reads standard input")
    parser.add_argument("--run", metavar="RUN", help=RUN_HELP)


def _say(args: argparse.Namespace) -> int:
    words = [*([args.task] if args.all and args.task is not None else ()), *args.text]
    if not words:
        raise UserError(NOTHING)
    folder = running_run(args.run)
    task = None if args.all else chosen_task(folder, args.task)[0]
    text = _standard_input() if words == ["-"] else " ".join(words)
    return ask(folder, "say", say_arguments(task, text, _redactor()))


def _standard_input() -> str:
    """As much of it as tells that it is too long."""
    return sys.stdin.buffer.read(8 * MAX_MESSAGE + 4).decode("utf-8", "replace")


def _redactor() -> Redactor:
    """Hides the keys that a run in this folder would have; those of the run, its engine hides."""
    try:
        return Redactor(load_settings({}, os.environ, None).secrets)
    except UserError:  # wrong settings: nobody runs with them
        return Redactor([])
