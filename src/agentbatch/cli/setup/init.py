"""`agentbatch init`: the files to start from, into a folder. Nothing that is there is overwritten."""

import argparse
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "init",
        help="put task.json, .env, agents/ and prompts/ into a folder",
        description="Put task.json, .env, agents/ and prompts/ into a folder, to edit. "
        "Existing files are left as they are.",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="where to [this folder]")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    from agentbatch.tasks.agents.starting_files import place_starting_files  # heavy

    for placed in place_starting_files(args.folder):
        sys.stdout.write(f"  {placed.done:<7}  {placed.what}\n")
    sys.stdout.write(
        "\nNext: put your tasks into task.json and your key into .env, then `agentbatch doctor` "
        "and\n`agentbatch --parallel 3`. Without a key the sample tasks run on the rehearsal model.\n"
    )
    return 0
