"""The task file: its schema, and reading it with errors that name file, line and column."""

import difflib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from agentbatch.batch.json_position import position_at, position_of
from agentbatch.config import Isolation
from agentbatch.errors import UserError

LARGEST_TASK_FILE = 64 * 1024 * 1024
"""Bytes. A task file beyond this is a mistake (a log, a disk image), not ten thousand prompts."""


def _as_commands(value: object) -> object:
    return (value,) if isinstance(value, str) else value


LONGEST_NAME = 240
"""Bytes of a file name that every common file system takes, with room for a suffix."""


class Task(BaseModel):
    """One entry of task.json as the user wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str | None = None
    """Names the task in results, logs and folders; made from dir and prompt when absent."""
    dir: str = ""
    """Working directory, relative to the task file; created when missing; empty: the task file's folder."""
    first_prompt: str
    verify: Annotated[tuple[str, ...], BeforeValidator(_as_commands), Field(strict=False)] = ()
    """Shell commands that must all exit with 0 before the task can be accepted."""
    priority: int = 0
    """Higher starts earlier."""
    max_iterations: int | None = Field(None, ge=1, le=1000)
    timeout: float | None = Field(None, gt=0)
    """Seconds of wall clock."""
    max_cost: float | None = Field(None, gt=0)
    """US dollars, both roles."""
    max_tokens: int | None = Field(None, ge=1)
    """Input and output, both roles."""
    depends_on: Annotated[tuple[str, ...], Field(strict=False)] | Literal["children"] = ()
    """Ids of tasks that must be completed before this one starts; `children`: see generate.py."""
    isolation: Isolation | None = None
    """Where it works; the run's choice when it says nothing."""
    inputs: tuple[str, ...] = Field((), strict=False)
    outputs: tuple[str, ...] = Field((), strict=False)
    """Glob patterns relative to the task file: what it reads and what it makes, for --stale and --missing."""
    coder_model: str | None = Field(None, min_length=1)
    evaluator_model: str | None = Field(None, min_length=1)
    env: dict[str, str] = {}
    """Environment variables for the task's commands."""
    protected_paths: tuple[str, ...] = Field((), strict=False)
    """Glob patterns of files that the coder must not change: they are put back before every `verify`."""

    @field_validator("id")
    @classmethod
    def _check_id(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w][\w.\-]{0,99}", value):
            raise ValueError(
                "an id is 1 to 100 letters, digits, '.', '_' or '-' and does not start with '.' or '-'"
            )
        if value is not None and len(value.encode("utf-8")) > LONGEST_NAME:
            raise ValueError(f"an id takes at most {LONGEST_NAME} bytes, since a folder is named after it")
        return value

    @field_validator("dir")
    @classmethod
    def _check_dir(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("a directory name cannot contain NUL")
        if value.startswith("~"):
            raise ValueError("~ is not expanded here; write the whole path, or one relative to the task file")
        if any(len(part.encode("utf-8")) > LONGEST_NAME for part in value.split("/")):
            raise ValueError(f"a directory name takes at most {LONGEST_NAME} bytes")
        return value

    @field_validator("first_prompt")
    @classmethod
    def _check_prompt(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("the prompt is empty")
        return value

    @field_validator("verify")
    @classmethod
    def _check_verify(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not command.strip() or "\0" in command for command in value):
            raise ValueError("a verify command is empty")
        return value

    @field_validator("env")
    @classmethod
    def _check_env(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in text:
                raise ValueError(f"{name!r} is not a name for an environment variable")
        return value

    @field_validator("protected_paths")
    @classmethod
    def _check_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"{pattern!r} does not stay inside the task's directory")
        return value


class TaskFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    tasks: tuple[Task, ...] = Field(strict=False)


def load_tasks(path: Path) -> list[Task]:
    """Read and check a task file. Raises UserError: what is wrong, in which file, line and column."""
    text = _read(path)
    try:
        data = json.loads(text, object_pairs_hook=_unique_keys)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON at {position_at(text, error.pos)}: {error.msg}.") from None
    except _DuplicateKey as error:
        raise UserError(f"{path}: the key {error.key!r} is given twice in one object.") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply to be a task file.") from None
    if re.search(r"\\u[dD][89a-fA-F]", text):
        _refuse_lone_surrogates(path, data)
    if isinstance(data, list):
        raise UserError(f'{path}: the top level must be an object: {{"tasks": [...]}}, not a list.')
    try:
        tasks = list(TaskFile.model_validate(data).tasks)
    except ValidationError as error:
        raise UserError(_explain(path, text, error)) from None
    if not tasks:
        raise UserError(f"{path}: there are no tasks in it.")
    _check_unique_ids(path, text, tasks)
    return tasks


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
        if path.stat().st_size > LARGEST_TASK_FILE:
            raise UserError(f"{path} is larger than 64 MB: this cannot be a task file.")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(
            f"There is no task file {path}. Make one with `agentbatch init`, or name yours with -t FILE."
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None
    if not text.strip():
        raise UserError(f'{path} is empty. A task file looks like {{"tasks": [{{"first_prompt": "..."}}]}}.')
    return text


def _explain(path: Path, text: str, error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    location = tuple(problem["loc"])
    where = position_of(text, location)
    name = ".".join(str(part) for part in location).replace("tasks.", "tasks[", 1)
    name = re.sub(r"^tasks\[(\d+)", r"tasks[\1]", name) or "the file"
    if problem["type"] == "extra_forbidden":
        known = Task.model_fields if len(location) > 1 else TaskFile.model_fields
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}."
        return f"{path}: {where}: unknown key {name}; {hint}"
    if problem["type"] == "missing":
        return f"{path}: {where}: {name} is missing."
    message = str(problem["msg"]).removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{path}: {where}: {name}: {message}, not {_short(problem['input'])}."


def _short(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def _check_unique_ids(path: Path, text: str, tasks: list[Task]) -> None:
    seen: dict[str, int] = {}
    for index, task in enumerate(tasks):
        if task.id is None:
            continue
        # Folders are named after ids, and some file systems ignore case.
        key = task.id.casefold()
        if key in seen:
            where = position_of(text, ("tasks", index, "id"))
            raise UserError(f"{path}: {where}: the id {task.id!r} is already that of tasks[{seen[key]}].")
        seen[key] = index
