"""Making the tasks of an entry with `foreach`."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel

from agentbatch.tasks.spec.generated.foreach import Foreach, Match, found_paths, matches, task_count
from agentbatch.tasks.spec.generated.placeholders import (
    BadPlaceholder,
    fill,
    fill_command,
    fill_id,
    fill_pattern,
)
from agentbatch.tasks.spec.task import GeneratedTask, Origin, Task
from agentbatch.workspace.files.globs import FileSearch

_Fill = Callable[[str, Mapping[str, str]], str]

FILLED: Mapping[str, _Fill] = {
    "id": fill_id,
    "dir": partial(fill, free=False),
    "first_prompt": partial(fill, free=True),
    "verify": fill_command,
    "inputs": fill_pattern,
    "outputs": fill_pattern,
    "protected_paths": fill_pattern,
    "depends_on": fill_id,
    "env": partial(fill, free=True),
}
"""The fields that names are filled into, each in its own way."""


MAX_GENERATED = 100_000
"""Tasks that the `foreach` entries of one file may make; more is a pattern that went wrong."""

NO_TREE = '"children" needs foreach.dirs: a tree of directories.'


class _Wrapped(BaseModel):
    """Errors lead from the entry to the place."""

    foreach: Foreach


class BadEntry(Exception):
    """An entry that no tasks can be made of. `str()` is a sentence; `location` leads to the value in the entry."""

    def __init__(self, sentence: str, *location: str | int) -> None:
        super().__init__(sentence)
        self.location = location


def generate(entry: Mapping[str, Any], place: int, search: FileSearch, most: int) -> list[GeneratedTask]:
    """The tasks of the entry at `place`, in the order of their paths or of the matrix.

    Raises BadEntry, also for more than `most` tasks, and ValidationError.
    """
    foreach = _Wrapped.model_validate({"foreach": entry["foreach"]}).foreach
    kind = _kind(foreach)
    if entry.get("depends_on") == "children" and kind != "dirs":
        raise BadEntry(NO_TREE, "depends_on")
    try:
        paths = found_paths(foreach, search) if kind in ("glob", "dirs") else []
    except ValueError as error:
        raise BadEntry(str(error), "foreach", kind) from None
    count = task_count(foreach, paths)
    if count > most:
        raise BadEntry(f"it makes {count:,} tasks; a file may make {MAX_GENERATED:,}.", "foreach")
    template = {field: value for field, value in entry.items() if field != "foreach"}
    return [_task(template, match, place) for match in matches(foreach, paths)]


def _kind(foreach: Foreach) -> str:
    given = [kind for kind in ("glob", "dirs", "matrix") if getattr(foreach, kind)]
    if len(given) > 1:
        raise BadEntry(
            f"{' and '.join(given)} are given; take one of them, with or without count.", "foreach"
        )
    if not given and "count" not in foreach.model_fields_set:
        raise BadEntry("it names nothing: give glob, dirs, matrix or count.", "foreach")
    return given[0] if given else "count"


def _task(template: Mapping[str, Any], match: Match, place: int) -> GeneratedTask:
    filled = {field: _filled(field, value, match.values) for field, value in template.items()}
    task = Task.model_validate(filled)
    # Checked in the line above.
    return GeneratedTask.model_construct(
        task.model_fields_set, **dict(task), origin=Origin(place, match.path, match.number)
    )


def _filled(field: str, value: object, values: Mapping[str, str]) -> object:
    """Whatever is not text is left to the schema."""
    write = FILLED.get(field)
    if write is None:
        return value
    try:
        if isinstance(value, str):
            return write(value, values)
        if isinstance(value, list):
            return [write(each, values) if isinstance(each, str) else each for each in value]
        if isinstance(value, dict):
            return {
                key: write(each, values) if isinstance(each, str) else each for key, each in value.items()
            }
    except BadPlaceholder as error:
        raise BadEntry(str(error), field) from None
    return value
