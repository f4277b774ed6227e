"""Programs of ours that run in a workspace: with its own python3 or node, from its command line, with what it has."""

import json
import os
import secrets
import sys
from functools import cache
from importlib.resources import files
from shlex import quote
from typing import Any, Literal

MAX_COMMAND = 100_000
"""Bytes of a command line, program and argument: bash gets it as one argument, and Linux takes 128 KiB in one."""

Program = Literal["sound_forms.py", "call_examples.py", "call_examples.js", "load_file.py", "run_script.py"]

OURS = os.path.realpath(sys.executable or "python3")

_RUNS: dict[Program, str] = {
    "sound_forms.py": "python3 -I -S -B -c",  # installed packages take long, and it needs at most one
    "call_examples.py": "python3 -I -B -c",
    "call_examples.js": "node -e",
    "load_file.py": "python3 -B -c",
    "run_script.py": "python3 -c",
}


def command(program: Program, *arguments: str, quick: bool = False) -> str:
    """The command line that runs the program with these arguments. `quick`: by the Python that runs us, where it is
    there too: what a version manager puts in the place of `python3` takes a multiple of the time to start one."""
    line = " ".join((_RUNS[program], _source(program), *map(quote, arguments)))
    if not quick:
        return line
    return (
        f'python={quote(OURS)}; [ -x "$python" ] || python=python3; "$python"{line.removeprefix("python3")}'
    )


@cache
def _source(program: Program) -> str:
    """Quoted; every task asks."""
    return quote(files(__package__).joinpath(program).read_text(encoding="utf-8"))


def as_json(value: Any) -> str:
    """As an argument, in ASCII alone: a name that is no UTF-8 crosses as the surrogates of JSON, and is a name of a
    file again over there."""
    return json.dumps(value)


def length(*arguments: str) -> int:
    """Characters that they take in a command line."""
    return sum(len(quote(argument)) + 1 for argument in arguments)


def room(program: Program) -> int:
    """Characters that arguments may take at most."""
    return MAX_COMMAND - len(command(program, quick=True))


def new_nonce() -> str:
    """With it begins each line that a program says itself, where what it runs may print lines as well."""
    return secrets.token_hex(8)
