"""Reading a task file, with errors that name file, line and column."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentbatch.documents.json_text import Unreadable
from agentbatch.errors import UserError, cannot_be
from agentbatch.files import read_given
from agentbatch.problems import Problem, all_problems, hint, in_one
from agentbatch.runs.folder import tasks_folder
from agentbatch.tasks.spec.generated.foreach import Foreach
from agentbatch.tasks.spec.generated.generate import MAX_GENERATED, NO_TREE, BadEntry, generate
from agentbatch.tasks.spec.task import GeneratedTask, Task
from agentbatch.tasks.spec.task_document import FIELDS, TaskDocument, given_document, read_document
from agentbatch.workspace.files.globs import FileSearch

MAX_TASK_FILE = 64 * 1024 * 1024
"""Bytes. A task file beyond this is a mistake (a log, a disk image), not ten thousand prompts."""


ENOUGH_MISTAKES = 100
"""A file with more is not read to its end: each is looked up in its text."""


OTHER_FORMS = ("task.yaml", "task.yml", "task.jsonl", "task.csv")
"""Beside a task.json that is not there."""


class TaskFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tasks: tuple[Any, ...] = Field(strict=False)


def load_tasks(path: Path) -> list[Task]:
    """Read and check a task file, and make the tasks of its `foreach` entries.

    Raises UserError: what is wrong, in which file, line and column.
    """
    text = _read(path)
    try:
        document = read_document(text, path)
    except Unreadable as error:
        end = "" if str(error).endswith((".", "?")) else "."
        raise UserError(f"{path}: {error}{end}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if isinstance(document.data, list):
        raise UserError(f'{path}: the top level must be an object: {{"tasks": [...]}}, not a list.')
    return _checked(document, str(path), tasks_folder(path))


def check_tasks(entries: Sequence[Any], folder: Path) -> list[Task]:
    """The tasks of entries that stand in no file, as JSON has them. `folder`: what they are relative to. Raises
    UserError: what is wrong, in which entry."""
    return _checked(given_document(entries), "The batch", folder)


def _checked(document: TaskDocument, source: str, folder: Path) -> list[Task]:
    """`source`: what a sentence about it begins with."""
    try:
        entries = TaskFile.model_validate(document.data).tasks
    except ValidationError as error:
        raise UserError(in_one(source, _sentences(document, (), error))) from None
    if not entries:
        raise UserError(f"{source}: there are no tasks in it.")
    if len(entries) > MAX_GENERATED:
        raise UserError(f"{source}: {len(entries):,} tasks; at most {MAX_GENERATED:,} are possible.")
    tasks, places = _tasks(source, folder, document, entries)
    _check_unique_ids(source, document, tasks, places)
    return tasks


def _tasks(
    source: str, folder: Path, document: TaskDocument, entries: Sequence[Any]
) -> tuple[list[Task], list[int]]:
    """The tasks, and of each the place of its entry. Raises UserError with all that is wrong in the entries."""
    search = FileSearch(folder)
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
            mistakes += _sentences(document, ("tasks", place), error)
        except BadEntry as error:
            location = ("tasks", place, *error.location)
            mistakes.append(f"{document.at(location)}: {error}")
        if len(mistakes) >= ENOUGH_MISTAKES:
            break
    if mistakes:
        raise UserError(in_one(source, mistakes))
    return tasks, places


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise UserError(
                f"{path} is a folder; name the task file in it, for example {path / 'task.json'}."
            )
        text = read_given(path, MAX_TASK_FILE).decode("utf-8-sig")
    except FileNotFoundError:
        other = in_another_form(path)
        raise UserError(
            f"There is no task file {path}; {other} is there: -t {other}."
            if other
            else f"There is no task file {path}. Make one with `agentbatch init`, or name yours with -t FILE."
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except (OSError, ValueError) as error:
        raise cannot_be("read", path, error) from None
    if not text.strip():
        raise UserError(f'{path} is empty. A task file looks like {{"tasks": [{{"first_prompt": "..."}}]}}.')
    return text


def in_another_form(path: Path) -> str:
    """The name of a task file beside `path`, which is not there; empty: there is none."""
    return next((name for name in OTHER_FORMS if path.with_name(name).is_file()), "")


def _sentences(document: TaskDocument, above: tuple[str | int, ...], error: ValidationError) -> list[str]:
    """What is wrong in the value that stands at `above` in the file."""
    return [_sentence(document, (*above, *problem.location), problem) for problem in all_problems(error)]


def _sentence(document: TaskDocument, location: tuple[str | int, ...], problem: Problem) -> str:
    if problem.kind == "extra_forbidden":
        name = document.name(location) or location[-1]
        return f"{document.where(location)}: unknown key {name}; {hint(location[-1], _known_keys(location))}"
    if problem.kind == "missing":
        return f"{document.at(location)} is missing."
    return f"{document.at(location)}: {problem.told(_short)}."


def _known_keys(location: Sequence[str | int]) -> list[str]:
    """Of the object that the last key of `location` stands in."""
    if len(location) == 1:
        return [*TaskFile.model_fields]
    inner: type[BaseModel] = Task
    for part in location[2:-1]:
        inner = Foreach if part == "foreach" else _model_in(inner, part) or inner
    return [*FIELDS] if inner is Task else [*inner.model_fields]


def _model_in(model: type[BaseModel], name: str | int) -> type[BaseModel] | None:
    """What the field holds, or holds several of; None: no objects of ours."""
    kinds = (
        [model.model_fields[name].annotation] if isinstance(name, str) and name in model.model_fields else []
    )
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        kinds += get_args(getattr(kind, "__value__", kind))
    return None


def _short(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def _check_unique_ids(
    source: str, document: TaskDocument, tasks: Sequence[Task], places: Sequence[int]
) -> None:
    seen: dict[str, int] = {}
    for place, task in zip(places, tasks, strict=True):
        if task.id is None:
            continue
        # Folders are named after ids, and some file systems ignore case.
        key = task.id.casefold()
        if key in seen:
            where = document.where(("tasks", place, "id"))
            raise UserError(f"{source}: {where}: {_same_id(document, task, place, seen[key])}")
        seen[key] = place


def _same_id(document: TaskDocument, task: Task, place: int, other: int) -> str:
    if place == other and isinstance(task, GeneratedTask):
        return (
            f"the id {task.id!r} comes up twice among the tasks that {document.entry(place)} makes: name in it what "
            "distinguishes them, like {path}, {n} or a name of the matrix, or leave it out."
        )
    return f"the id {task.id!r} is already that of {document.entry(other)}."
