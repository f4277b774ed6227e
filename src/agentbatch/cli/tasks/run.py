"""`agentbatch` without a command: run the batch, or open the terminal app."""

import argparse
import gc
from collections.abc import Sequence
from typing import Any

from agentbatch import __version__
from agentbatch.cli.complaints import complain
from agentbatch.cli.flags import add_run_flags, given_flags, read_settings
from agentbatch.cli.help import EPILOG, HELP, USAGE, all_commands
from agentbatch.cli.parser import CommandParser
from agentbatch.cli.runs import daemon
from agentbatch.cli.runs.choice import latest_run
from agentbatch.cli.runs.terminal import asks_for_mode, can_draw
from agentbatch.errors import UserError
from agentbatch.runs.folder import RunFolder


def run_parser(*, with_paths: bool = False) -> CommandParser:
    """The parser of `agentbatch` without a command; `with_paths`: some of its words are paths."""
    parser = CommandParser(
        prog="agentbatch",
        usage=USAGE,
        description="Run batches of coding tasks unattended, and batches of plain model requests.",
        epilog=f"{all_commands()}\n{EPILOG}",
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="version", version=HELP, help="show what most people need")
    parser.add_argument("--help-all", action="help", help="show every option and every command")
    parser.add_argument(
        "--version", action="version", version=f"agentbatch {__version__}", help="show the version"
    )
    add_run_flags(parser)
    parser.set_defaults(command=run)
    if with_paths:
        parser.add_argument("paths", nargs="*", metavar="PATH", help=argparse.SUPPRESS)
    return parser


def run(args: argparse.Namespace) -> int:
    return start(args.words, given_flags(args))


def start(words: Sequence[str], flags: dict[str, Any], folder: RunFolder | None = None) -> int:
    """Run the batch that the flags ask for. `words`: the command line; `folder`: resume this run."""
    settings, env_file = read_settings(flags)
    if folder is None and (settings.resume or settings.retrying or settings.force):
        folder = latest_run(settings)
        if folder is None and not settings.reason:
            complain("there is no run of this task file to resume: a new one starts.")
    if settings.daemon:
        return daemon.start(words)
    if folder is not None and settings.display == "tui":
        raise UserError(
            "The app resumes a run by Resume on its launch screen (agentbatch); or: agentbatch resume --daemon, "
            "then agentbatch attach --control."
        )
    if settings.display == "tui" or (folder is None and asks_for_mode(settings) and can_draw()):
        from agentbatch.cli.runs import app  # heavy: textual

        return app.open_launch(settings, words)
    gc.disable()  # until the run begins: what is loaded here stays, and looking for garbage in it doubles the time
    from agentbatch.cli.tasks import batch  # heavy: the whole loop, and the model client

    try:
        return batch.run(settings, flags, env_file, folder)
    finally:
        gc.enable()
