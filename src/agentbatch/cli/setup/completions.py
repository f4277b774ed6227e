"""`agentbatch completions`: scripts that complete our command lines in shells."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from agentbatch.cli.completions import bash, fish, zsh
from agentbatch.cli.completions.words import Level, levels

DESCRIPTION = """\
Print a script that completes commands, options, ids of runs and tasks. It is
made of this version's own commands; make it again after an upgrade.

  bash  agentbatch completions bash > \\
            ~/.local/share/bash-completion/completions/agentbatch
  zsh   agentbatch completions zsh > a folder of $fpath/_agentbatch
  fish  agentbatch completions fish > ~/.config/fish/completions/agentbatch.fish

Or, for one shell: eval "$(agentbatch completions bash)", and so in zsh.
"""

SHELLS: Mapping[str, Callable[[Sequence[Level]], str]] = {
    "bash": bash.script,
    "zsh": zsh.script,
    "fish": fish.script,
}


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("completions", description=DESCRIPTION)
    parser.add_argument("shell", choices=tuple(SHELLS), help="the shell that is to complete")
    parser.set_defaults(command=_print)


def _print(args: argparse.Namespace) -> int:
    sys.stdout.write(SHELLS[args.shell](levels()))
    return 0
