"""Where agents/ and prompts/ are: the user's own folder first, then the checkout's, then the wheel's."""

import os
from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

from agentbatch.errors import UserError
from agentbatch.files import read_given
from agentbatch.text import clip, nearest

PACKAGE = Path(__file__).resolve().parents[2]

Kind = Literal["agents", "prompts"]

AGENTS = ("coder.toml", "coders.toml", "evaluator.toml")
"""The files that are read from agents/."""


def resource_folders(kind: Kind, folder: Path) -> list[Path]:
    """The existing folders to look in, first match wins. `folder` is where the command runs.

    Raises UserError where something else stands in a folder's place."""
    if (folder / kind).is_file():
        raise UserError(f"{folder / kind} is a file, and should be a folder of such files; rename it.")
    checkout = PACKAGE.parents[1]
    candidates = [folder / kind]
    if (checkout / "pyproject.toml").is_file() and PACKAGE.parent.name == "src":
        candidates.append(checkout / kind)
    candidates.append(PACKAGE / "defaults" / kind)
    found: list[Path] = []
    for candidate in candidates:
        if candidate.is_dir() and candidate.resolve() not in [f.resolve() for f in found]:
            found.append(candidate)
    return found


def find_resource(kind: Kind, name: str, folder: Path) -> Path:
    """The file `name` of `kind`. Raises UserError when no folder has it."""
    if Path(name).name != name:
        raise UserError(f"{kind}/{name}: name a file that lies directly in {kind}/.")
    folders = resource_folders(kind, folder)
    for candidate in folders:
        path = candidate / name
        if path.is_file():
            return path
        if path.is_dir():
            raise UserError(f"{path} is a folder, and should be a file.")
        if path.is_symlink():
            raise UserError(f"{path} is a link that leads to no file.")
    looked = ", ".join(str(f) for f in folders) or "nowhere"
    raise UserError(f"There is no {kind}/{name} (looked in {looked}).")


MAX_LOOKED = 1_000
"""Names in a folder that are looked at."""

ALIKE = 0.75
"""From here on a name is one of ours with a slip in it: evalutor.md and coder.tml are, and reviewer.md is not."""


def misnamed(folder: Path, known: Mapping[Kind, Collection[str]]) -> list[str]:
    """Sentences about files and folders that were surely meant to be read, and are not. What has another file beside it
    under the right name is a copy. `known`: the names that are read."""
    sentences = []
    for kind, names in known.items():
        found = _names(folder / kind)
        for name in sorted(found - set(names)):
            stem = name.lower().partition(".")[0]
            same = next((one for one in names if one.partition(".")[0] == stem), None)
            meant = same or nearest(name.lower(), names, cutoff=ALIKE)
            if meant is not None and meant not in found:
                sentences.append(f"{kind}/{clip(name, 60)} is not read; did you mean {kind}/{meant}?")
        single = kind.removesuffix("s")
        if not found and _names(folder / single) & set(names):
            sentences.append(f"{single}/ is not read; did you mean {kind}/?")
    return sentences[:10]


def _names(folder: Path) -> set[str]:
    """Of the files in it; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in islice(entries, MAX_LOOKED) if entry.is_file()}
    except OSError:
        return set()


MAX_RESOURCE = 1024 * 1024
"""Bytes of an agent's file, or a prompt."""


def read_resource(path: Path) -> str:
    """Its text. Raises UserError when it cannot be read as UTF-8."""
    try:
        return read_given(path, MAX_RESOURCE).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text: {error}.") from None
