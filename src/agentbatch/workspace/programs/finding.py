"""Where a program is that is opened: on PATH, and in no place that a task could have put it."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from agentbatch.config.own_environment import own_environment
from agentbatch.errors import UserError


def find_program(name: str, path_variable: str, directories: Iterable[Path]) -> Path:
    """The place of a program, by its name or absolute path; not in one of `directories` (resolved), where tasks work,
    nor reached by a link that leads there. Raises UserError."""
    places = frozenset(directories)
    searched = own_environment({"PATH": path_variable}, places)["PATH"]
    found = shutil.which(name, path=searched) if "/" not in name or os.path.isabs(name) else None
    if found is None:
        raise UserError(
            f"The program {name} is not to be found on PATH: {searched}. Install it, or name its path."
        )
    real = Path(found).resolve()
    if not places.isdisjoint((real, *real.parents, *Path(found).parents)):
        raise UserError(
            f"The program {name} is {real}, in a directory where tasks work and could replace it; nothing there is "
            "started. Install it somewhere else."
        )
    return Path(found)
