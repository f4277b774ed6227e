"""A command of ours in this process."""

import argparse
from collections.abc import Callable
from types import ModuleType

from agentbatch.cli.parser import CommandParser


def run_command(module: ModuleType, *words: str) -> int:
    """Of a module with one command: what its parser hands on. Raises UserError, as the command does."""
    commands = CommandParser(prog="agentbatch").add_subparsers()
    module.add_parser(commands)
    args: argparse.Namespace = commands.choices[module.__name__.rpartition(".")[2]].parse_args(words)
    command: Callable[[argparse.Namespace], int] = args.command
    return command(args)
