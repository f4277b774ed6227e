"""`agentbatch init`: the files to start from, into a folder. Nothing that is there is overwritten."""

import argparse
import sys
from pathlib import Path
from typing import Any

from agentbatch.tasks.agents.starting_files import place_starting_files


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "init",
        description="Put task.json and .env into a folder, for you to edit. Existing files stay as\nthey are.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), help="where to put them [this folder]"
    )
    parser.add_argument(
        "--prompts",
        action="store_true",
        help="also agents/ and prompts/: yours from then on, and newer versions' are not used",
    )
    parser.set_defaults(command=run)


def run(args: argparse.Namespace) -> int:
    for placed in place_starting_files(args.folder, prompts=args.prompts):
        sys.stdout.write(f"  {placed.done:<7}  {placed.what}\n")
    sys.stdout.write(
        "\nNext: put your tasks into task.json and your key into .env, then run\n"
        "`agentbatch doctor` and `agentbatch --parallel 3`. Without a key the sample\n"
        "tasks run on the rehearsal model (scripted replies, no AI).\n"
    )
    return 0
