"""Reading a task file, with errors that name file, line and column."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.errors import UserError, cannot_be
from agentbatch.files import read_given
from agentbatch.problems import Problem, all_problems, hint, in_one, path_name
from agentbatch.tasks.spec.foreach import Foreach
from agentbatch.tasks.spec.generate import MAX_GENERATED, NO_TREE, BadEntry, generate
from agentbatch.tasks.spec.json_position import position_at, position_of
from agentbatch.tasks.spec.task import GeneratedTask, Task
from agentbatch.text import clip
from agentbatch.workspace.files.globs import FileSearch

MAX_TASK_FILE = 64 * 1024 * 1024
"""Bytes. A task file beyond this is a mistake (a log, a disk image), not ten thousand prompts."""


ENOUGH_MISTAKES = 100
"""A file with more is not read to its end: each is looked up in its text."""


class TaskFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tasks: tuple[Any, ...] = Field(strict=False)


def load_tasks(path: Path) -> list[Task]:
    """Read and check a task file, and make the tasks of its `foreach` entries.

    Raises UserError: what is wrong, in which file, line and column.
    """
    text = _read(path)
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON at {position_at(text, error.pos)}: {error.msg}.") from None
    except _DuplicateKey as error:
        raise UserError(f"{path}: the key {error.key!r} is given twice in one object.") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply to be a task file.") from None
    except ValueError as error:  # numbers of thousands of digits
        raise UserError(f"{path}: not a task file: {clip(str(error), 100)}.") from None
    if re.search(r"\\u[dD][89a-fA-F]", text):
        _refuse_lone_surrogates(path, data)
    if isinstance(data, list):
        raise UserError(f'{path}: the top level must be an object: {{"tasks": [...]}}, not a list.')
    try:
        entries = TaskFile.model_validate(data).tasks
    except ValidationError as error:
        raise UserError(in_one(str(path), _sentences(text, (), error))) from None
    if not entries:
        raise UserError(f"{path}: there are no tasks in it.")
    if len(entries) > MAX_GENERATED:
        raise UserError(f"{path}: {len(entries):,} tasks; a file may have {MAX_GENERATED:,}.")
    tasks, places = _tasks(path, text, entries)
    _check_unique_ids(path, text, tasks, places)
    return tasks


def _tasks(path: Path, text: str, entries: Sequence[Any]) -> tuple[list[Task], list[int]]:
    """The tasks, and of each the place of its entry. Raises UserError with all that is wrong in the entries."""
    search = FileSearch(path.resolve().parent)
    tasks: list[Task] = []
    places: list[int] = []
    mistakes: list[str] = []
    made = 0
    for place, entry in enumerate(entries):
        try:
            if isinstance(entry, dict) and "foreach" in entry:
                generated = generate(entry, place, search, MAX_GENERATED - made)
                made += len(generated)
                tasks += generated
                places += [place] * len(generated)
            else:
                task = Task.model_validate(entry)
                if task.depends_on == "children":
                    raise BadEntry(NO_TREE, "depends_on")
                tasks.append(task)
                places.append(place)
        except ValidationError as error:
            mistakes += _sentences(text, ("tasks", place), error)
        except BadEntry as error:
            location = ("tasks", place, *error.location)
            mistakes.append(f"{position_of(text, location)}: {path_name(location)}: {error}")
        if len(mistakes) >= ENOUGH_MISTAKES:
            break
    if mistakes:
        raise UserError(in_one(str(path), mistakes))
    return tasks, places


def _refuse_lone_surrogates(path: Path, data: object) -> None:
    try:
        json.dumps(data, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise UserError(
            f"{path}: {half} is half of a surrogate pair and no character; write the pair."
        ) from None


class _DuplicateKey(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKey(key)
        found[key] = value
    return found


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise UserError(
                f"{path} is a folder; name the task file in it, for example {path / 'task.json'}."
            )
        text = read_given(path, MAX_TASK_FILE).decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            f"There is no task file {path}. Make one with `agentbatch init`, or name yours with -t FILE."
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except (OSError, ValueError) as error:
        raise cannot_be("read", path, error) from None
    if not text.strip():
        raise UserError(f'{path} is empty. A task file looks like {{"tasks": [{{"first_prompt": "..."}}]}}.')
    return text


def _sentences(text: str, above: tuple[str | int, ...], error: ValidationError) -> list[str]:
    """What is wrong in the value that stands at `above` in the file."""
    return [_sentence(text, (*above, *problem.location), problem) for problem in all_problems(error)]


def _sentence(text: str, location: tuple[str | int, ...], problem: Problem) -> str:
    where, name = position_of(text, location), path_name(location) or "the file"
    if problem.kind == "extra_forbidden":
        return f"{where}: unknown key {name}; {hint(location[-1], _known_keys(location))}"
    if problem.kind == "missing":
        return f"{where}: {name} is missing."
    return f"{where}: {name}: {problem.told(_short)}."


def _known_keys(location: Sequence[str | int]) -> list[str]:
    if "foreach" in location:
        return [*Foreach.model_fields]
    return [*Task.model_fields, "foreach"] if len(location) > 1 else [*TaskFile.model_fields]


def _short(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def _check_unique_ids(path: Path, text: str, tasks: Sequence[Task], places: Sequence[int]) -> None:
    seen: dict[str, int] = {}
    for place, task in zip(places, tasks, strict=True):
        if task.id is None:
            continue
        # Folders are named after ids, and some file systems ignore case.
        key = task.id.casefold()
        if key in seen:
            where = position_of(text, ("tasks", place, "id"))
            raise UserError(f"{path}: {where}: {_same_id(task, place, seen[key])}")
        seen[key] = place


def _same_id(task: Task, place: int, other: int) -> str:
    if place == other and isinstance(task, GeneratedTask):
        return (
            f"the id {task.id!r} comes up twice among the tasks that tasks[{place}] makes: name in it what "
            "distinguishes them, like {path}, {n} or a name of the matrix, or leave it out."
        )
    return f"the id {task.id!r} is already that of tasks[{other}]."
