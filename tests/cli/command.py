"""A command of ours in this process, as its parser hands it on."""

import argparse
from types import ModuleType


def run_command(module: ModuleType, *words: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers())
    args = parser.parse_args([module.__name__.rpartition(".")[2], *words])
    return args.command(args)  # type: ignore[no-any-return]
