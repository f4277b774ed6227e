"""Programs of ours that run in a workspace: with its own python3 or node, from its command line, with what it has."""

import json
from importlib.resources import files
from shlex import quote
from typing import Any, Literal

MAX_COMMAND = 100_000
"""Bytes of a command line, program and argument: bash gets it as one argument, and Linux takes 128 KiB in one."""

Program = Literal["sound_forms.py", "call_examples.py", "call_examples.js"]

_RUNS: dict[Program, str] = {
    "sound_forms.py": "python3 -I -S -B -c",  # installed packages take long, and it needs at most one
    "call_examples.py": "python3 -I -B -c",
    "call_examples.js": "node -e",
}


def command(program: Program, argument: Any) -> str:
    """The command line that runs the program with `argument` as JSON. ASCII alone: a name that is no UTF-8 crosses
    as the surrogates of JSON, and is a name of a file again over there."""
    source = files(__package__).joinpath(program).read_text(encoding="utf-8")
    return f"{_RUNS[program]} {quote(source)} {argument_text(argument)}"


def argument_text(argument: Any) -> str:
    return quote(json.dumps(argument))


def room(program: Program) -> int:
    """Characters that `argument_text` may have at most."""
    return MAX_COMMAND - len(command(program, None))


def answer(output: str) -> Any:
    """What the program said, on the last line of its output; None: nothing of the kind. The line holds text of files as
    JSON strings, so that these cannot end it."""
    lines = output.rstrip().rsplit("\n", 1)
    try:
        return json.loads(lines[-1])
    except (ValueError, RecursionError):
        return None
