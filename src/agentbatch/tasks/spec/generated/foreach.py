"""`foreach`: what an entry makes tasks of, and the names that are filled in for each."""

import itertools
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agentbatch.tasks.spec.task import Texts, check_file_pattern
from agentbatch.workspace.files.globs import FileSearch, Kind

PATH_NAMES = ("path", "name", "parent")
NUMBER = "n"


class Foreach(BaseModel):
    """One task for each file of `glob`, for each folder of `dirs`, or for each combination of `matrix`; `count` of
    each."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    glob: Texts = ()
    """Patterns relative to the task file's folder."""
    dirs: Texts = ()
    matrix: dict[str, Annotated[tuple[str | int | float | bool, ...], Field(strict=False)]] = {}
    count: int = Field(1, ge=1)

    @field_validator("glob", "dirs")
    @classmethod
    def _check_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            check_file_pattern(pattern)
        return value

    @field_validator("matrix", mode="before")
    @classmethod
    def _check_matrix(cls, value: object) -> object:
        if not isinstance(value, dict):
            raise ValueError("must be an object of lists")
        for name, values in value.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in (*PATH_NAMES, NUMBER):
                raise ValueError(
                    f"{name!r} is not a name: letters, digits and _, not {', '.join((*PATH_NAMES, NUMBER))}"
                )
            if not isinstance(values, list) or not values or not all(map(_is_plain, values)):
                raise ValueError(f"{name} must be a list of strings, numbers or booleans, and not empty")
        return value


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int)


class Match(NamedTuple):
    """What one task is made for."""

    values: dict[str, str]
    """What is filled in, by name."""
    path: str
    number: int


def task_count(foreach: Foreach, paths: Sequence[str]) -> int:
    """How many tasks that makes, without making them."""
    return foreach.count * (len(paths) or math.prod(len(values) for values in foreach.matrix.values()))


def found_paths(foreach: Foreach, search: FileSearch) -> list[str]:
    """The files or folders that the patterns match, in order, each once. Raises ValueError for a pattern that matches
    nothing, and for a name that cannot be written into a prompt."""
    kind: Kind = "files" if foreach.glob else "folders"
    found: set[str] = set()
    for pattern in foreach.glob or foreach.dirs:
        matched = search.find(pattern, kind)
        if not matched:
            raise ValueError(f"{pattern!r} matches no {kind.removesuffix('s')} below the task file's folder.")
        found.update(matched)
    for path in found:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
            raise ValueError(
                f"{path!a} has characters in its name that are no text; rename it, or narrow the pattern."
            )
        if any(part.startswith("-") for part in path.split("/")):
            raise ValueError(
                f"{path!r} has a name that begins with '-', which commands take for an option; rename it, or narrow "
                "the pattern."
            )
    return sorted(found, key=lambda path: path.split("/"))


def matches(foreach: Foreach, paths: Sequence[str]) -> Iterator[Match]:
    """One for each task, in order. `paths`: what `found_paths` gave; empty without patterns."""
    numbers = range(1, foreach.count + 1)
    for path, number in itertools.product(paths, numbers):
        place = PurePosixPath(path)
        name = place.stem if foreach.glob else place.name
        values = {"path": path, "name": name, "parent": str(place.parent), NUMBER: str(number)}
        yield Match(values, path, number)
    if not paths:
        rows = itertools.product(*foreach.matrix.values())
        for row, number in itertools.product(rows, numbers):
            shown = (value if isinstance(value, str) else json.dumps(value) for value in row)
            yield Match({**dict(zip(foreach.matrix, shown, strict=True)), NUMBER: str(number)}, "", number)
