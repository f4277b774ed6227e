"""Where a program is that is opened: on PATH, and in no place that a task could have put it; and so is what runs it."""

import os
import shlex
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from agentbatch.config.own_environment import own_environment
from agentbatch.errors import UserError

MAX_FIRST_LINE = 1024
"""Bytes; Linux reads 256."""
MAX_INTERPRETERS = 4
"""Scripts that run scripts; more is a circle."""


def find_program(name: str, path_variable: str, directories: Iterable[Path]) -> Path:
    """The place of a program, by its name or absolute path; not in one of `directories` (resolved), where tasks work,
    nor reached by a link that leads there. Raises UserError."""
    places = frozenset(directories)
    searched = own_environment({"PATH": path_variable}, places)["PATH"]
    found = shutil.which(name, path=searched) if "/" not in name or os.path.isabs(name) else None
    if found is None:
        planted = shutil.which(name, path=path_variable) if "/" not in name else None
        if planted is not None:
            raise _in_a_task(name, Path(planted).resolve())
        raise UserError(f"The program {name} is not to be found{'' if os.path.isabs(name) else ' on PATH'}.")
    real = Path(found).resolve()
    if not places.isdisjoint((*real.parents, *Path(found).parents)):
        raise _in_a_task(name, real)
    return Path(found)


def _in_a_task(name: str, place: Path) -> UserError:
    return UserError(
        f"The program {name} is {place}, in a directory where tasks work and could replace it; nothing there is "
        "started. Install it somewhere else."
    )


def command_line(argv: Sequence[str], path_variable: str, directories: Collection[Path]) -> list[str]:
    """`argv` with the place of its program. A script that asks `env` for its interpreter, as npm's do, would be given
    the first on PATH, which a task may have put there: it is found as the program is. Raises UserError."""
    words = list(argv)
    for _ in range(MAX_INTERPRETERS):
        found = find_program(words[0], path_variable, directories)
        words[0] = str(found)
        interpreter = _interpreter(found)
        if not interpreter:
            return words
        words = [*interpreter, *words]
    raise UserError(f"The program {argv[0]} is a script of a script of a script; name what runs it.")


def _interpreter(script: Path) -> list[str]:
    """What its first line runs it with; empty: it is no script."""
    try:
        with open(script, "rb") as file:
            line = file.readline(MAX_FIRST_LINE)
    except OSError:
        return []  # it may be run all the same
    if not line.startswith(b"#!"):
        return []
    program, _, rest = os.fsdecode(line[2:]).strip().partition(" ")
    rest = rest.strip()
    if os.path.basename(program) != "env":
        return [program, *([rest] if rest else [])]
    try:
        words = shlex.split(rest.removeprefix("-S"))
    except ValueError:
        words = []
    plain = bool(words) and "=" not in words[0] and not words[0].startswith("-")
    return words if plain else [program, *([rest] if rest else [])]


def settled_path(path_variable: str) -> str:
    """PATH for a program and what it runs by name: without places that a task could still make, which are those that
    are not there when it begins and those that are named from wherever one is."""
    entries = (entry for entry in path_variable.split(os.pathsep) if entry)
    return os.pathsep.join(entry for entry in entries if os.path.isabs(entry) and os.path.isdir(entry))
