"""The schema of a task: one entry in task.json."""

import re
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from agentbatch.config import Amount, Isolation, StopAt
from agentbatch.config.values import check_variables
from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from agentbatch.mcp.server import McpServers
from agentbatch.tasks.spec.escalation import Steps
from agentbatch.workspace.files.globs import matcher


def _as_texts(value: object) -> object:
    if not isinstance(value, str | list | tuple):
        raise ValueError("must be text, or a list of texts")
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_texts), Field(strict=False)]
"""Some texts, or one that stands alone."""


def _check_dependencies(value: object) -> object:
    names = value if isinstance(value, list | tuple) else ()
    if value != "children" and (names is not value or not all(isinstance(name, str) for name in names)):
        raise ValueError('must be a list of ids, or "children"')
    return value


MAX_ATTEMPTS = 100
"""At one task."""


class AttemptSpec(BaseModel):
    """One of several attempts at a task: what is another in it than in the task."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    coder: str | None = Field(None, min_length=1)
    coder_model: str | None = Field(None, min_length=1)
    evaluator_model: str | None = Field(None, min_length=1)
    temperature: float | None = Field(None, ge=0, le=2)
    """The coder's."""
    seed: int | None = Field(None, ge=0, lt=2**31)
    """Sent with the coder's calls, where the endpoint takes one."""
    escalate: Steps | None = None
    """Instead of the task's."""


def _as_attempts(value: object) -> object:
    """A number stands for so many that differ in nothing."""
    count = value if isinstance(value, int) and not isinstance(value, bool) else None
    given = len(value) if isinstance(value, list | tuple) else count
    if given is None or not 1 <= given <= MAX_ATTEMPTS:
        raise ValueError(f"must be a number from 1 to {MAX_ATTEMPTS}, or a list of so many objects")
    return value if count is None else (AttemptSpec(),) * count


_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
MIN_MEMORY = 16 * 1024**2
"""Bytes: with less no shell starts."""


def _read_memory(value: object) -> object:
    match = re.fullmatch(r"(\d{1,9})([kmgt]?)b?", value.lower()) if isinstance(value, str) else None
    amount = int(match[1]) * _UNITS[match[2]] if match else value
    if isinstance(amount, bool) or not isinstance(amount, int) or 0 != amount < MIN_MEMORY:
        raise ValueError("must be a text like 512m or 4g, and at least 16m")
    return amount


MIN_CPUS = 0.01
"""What Linux gives (a thousandth of a second in each tenth)."""
MIN_PROCESSES = 16
"""With less than eight no command can be started in a container: the starter's threads count, too."""


def _none_or(least: float) -> AfterValidator:
    def check(value: float) -> float:
        if 0 != value < least:
            raise ValueError(f"must be {least:g} or more, or 0 for no limit")
        return value

    return AfterValidator(check)


MAX_NAME = 240
"""Bytes of a file name that every common file system takes, with room for a suffix."""


MAX_DIR = 4_000
"""Bytes: what Linux takes as one path (PATH_MAX), less what is put behind it."""
MAX_PROMPT = 4_000_000
"""Characters: a million tokens, more than any model reads at once."""


def _inside(path: str) -> str:
    """Raises ValueError for what is no plain path below the task's directory."""
    parts = path.split("/")
    if not path or "\0" in path or {"", ".", ".."}.intersection(parts):
        raise ValueError(f"{path!r} is no path below the task's directory")
    if {".git", STATE_FOLDER}.intersection(part.casefold() for part in parts):
        raise ValueError(f"{path!r} is nothing that is kept")
    return path


_Paths = Annotated[
    tuple[Annotated[str, AfterValidator(_inside)], ...],
    BeforeValidator(_as_texts),
    Field(strict=False, min_length=1, max_length=100),
]


class CacheSpec(BaseModel):
    """How what a setup makes is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    key: _Paths
    """Files that it depends on."""
    paths: _Paths
    """What it makes."""

    @field_validator("paths")
    @classmethod
    def _check_apart(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if any(other != one and f"{other}/".startswith(f"{one}/") for other in value):
                raise ValueError(f"{one!r} holds another of them")
        if len(set(value)) < len(value):
            raise ValueError("must name each once")
        return value


class Task(BaseModel):
    """One entry of task.json as the user wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str | None = None
    """Names the task in results, logs and folders; made from dir and prompt when absent."""
    dir: str = ""
    """Working directory, relative to the task file; created when missing; empty: the task file's folder."""
    first_prompt: str
    verify: Texts = ()
    """Shell commands that must all exit with 0 before the task can be accepted."""
    setup: Texts = ()
    """Shell commands that are run in its directory before its coder begins, once a place."""
    setup_cache: CacheSpec | None = None
    """What they make, kept for other worktrees like it."""
    setup_timeout: Amount = 600
    """Seconds for each of them, and for each of `teardown`."""
    teardown: Texts = ()
    """Shell commands that are run there when the work has been judged, however the task ended."""
    hidden_verify: Texts = ()
    """Shell commands that say in the end whether the task is solved; no model sees them, and they accept nothing."""
    priority: int = 0
    """Higher starts earlier."""
    max_iterations: int | None = Field(None, ge=1, le=1000)
    timeout: Amount | None = None
    """Seconds of wall clock."""
    max_cost: Amount | None = None
    """US dollars, both roles."""
    max_tokens: int | None = Field(None, ge=1)
    """Input and output, both roles."""
    depends_on: Annotated[
        Annotated[tuple[str, ...], Field(strict=False)] | Literal["children"],
        BeforeValidator(_check_dependencies),
    ] = ()
    """Ids of tasks that must be completed before this one starts; `children`: see dependencies.py."""
    isolation: Isolation | None = None
    """Where it works; None: the run's setting."""
    attempts: Annotated[tuple[AttemptSpec, ...], BeforeValidator(_as_attempts), Field(strict=False)] = ()
    """Each in a place of its own, the best is taken; empty: as many as the run's setting says."""
    stop_at: StopAt | None = None
    inputs: tuple[str, ...] = Field((), strict=False)
    outputs: tuple[str, ...] = Field((), strict=False)
    """Glob patterns relative to the task file: what it reads and what it makes, for --stale and --missing."""
    coder: str | None = Field(None, min_length=1)
    """Who works on it, by its name in agents/coders.toml; None: the run's setting."""
    coder_model: str | None = Field(None, min_length=1)
    evaluator_model: str | None = Field(None, min_length=1)
    escalate: Steps | None = None
    """What its coder is in later iterations; empty: what it was in the first; None: the run's setting."""
    context: Texts = ()
    """Glob patterns of files in its directory that are given with its prompt."""
    include: Texts = ()
    """Glob patterns of files in its directory that its copy or worktree has, though no commit holds them."""
    env: dict[str, str] = {}
    """Environment variables for the task's commands."""
    mcp: McpServers = {}
    """Servers of tools, beside those of agents/coder.toml or instead of one with the same name."""
    protected_paths: tuple[str, ...] = Field((), strict=False)
    """Glob patterns of files that the coder must not change: they are put back before every `verify`."""
    image: str | None = Field(None, min_length=1)
    """The container image that its commands run in; None: the run's setting."""
    dockerfile: str | None = Field(None, min_length=1)
    """The same, built of this file and what lies beside it; relative to the task file."""
    workdir: str | None = None
    """Where its directory is in the container."""
    memory: Annotated[int, BeforeValidator(_read_memory)] = 0
    """Bytes that its commands may take together; 0: no limit."""
    cpus: Annotated[float, _none_or(MIN_CPUS)] = Field(0, ge=0, le=10_000)
    processes: Annotated[int, _none_or(MIN_PROCESSES)] = Field(0, ge=0, le=4_000_000)
    # Counted in the pattern itself, `\w` would be compiled a hundred times: a twentieth of a start.
    resources: dict[Annotated[str, Field(pattern=r"^[\w.\-]+$", max_length=100)], Amount] = {}
    """Of a cluster's machines, by the names that it has for them; `gpu`: graphics processors."""

    @field_validator("id")
    @classmethod
    def _check_id(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w][\w.\-]{0,99}", value):
            raise ValueError(
                "must be 1 to 100 letters, digits, '.', '_' or '-', and not begin with '.' or '-'"
            )
        if value is not None and len(value.encode("utf-8")) > MAX_NAME:
            raise ValueError(f"must take at most {MAX_NAME} bytes, since a folder is named after it")
        return value

    @field_validator("dir")
    @classmethod
    def _check_dir(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("must not have a NUL character")
        if value.startswith(("~", "$")):
            raise ValueError(
                f"{value[0]} is not expanded here; write the whole path, or one relative to the task file"
            )
        if any(len(part.encode("utf-8")) > MAX_NAME for part in value.split("/")):
            raise ValueError(f"must have names of at most {MAX_NAME} bytes")
        if len(value.encode("utf-8")) > MAX_DIR:
            raise ValueError(f"must have at most {MAX_DIR:,} bytes")
        return value

    @field_validator("first_prompt")
    @classmethod
    def _check_prompt(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty")
        if len(value) > MAX_PROMPT:
            raise ValueError(f"must have at most {MAX_PROMPT:,} characters; name a file in it for the rest")
        return value

    @field_validator("setup", "teardown", "verify", "hidden_verify")
    @classmethod
    def _check_verify(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not command.strip() or "\0" in command for command in value):
            raise ValueError("must not have an empty command")
        return value

    @field_validator("env")
    @classmethod
    def _check_env(cls, value: dict[str, str]) -> dict[str, str]:
        check_variables(value)
        return value

    @field_validator("protected_paths", "context", "include")
    @classmethod
    def _check_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            if not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"{pattern!r} does not stay inside the task's directory")
            _check_glob(pattern)
        return value

    @field_validator("dockerfile")
    @classmethod
    def _check_dockerfile(cls, value: str | None) -> str | None:
        if value is not None and (value.startswith(("/", "~")) or ".." in value.split("/") or "\0" in value):
            raise ValueError("does not stay inside the task file's folder")
        return value

    @model_validator(mode="after")
    def _check_cache(self) -> Self:
        if self.setup_cache and not self.setup:
            raise ValueError("has a setup_cache and no setup, which would make what it keeps")
        return self

    @model_validator(mode="after")
    def _check_image(self) -> Self:
        if self.image and self.dockerfile:
            raise ValueError("has both an image and a dockerfile; one of them says what its commands run in")
        return self

    @field_validator("inputs", "outputs")
    @classmethod
    def _check_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            check_file_pattern(pattern)
        return value


def _check_glob(pattern: str) -> None:
    try:
        matcher([pattern])
    except UserError as error:
        raise ValueError(str(error).rstrip(".")) from None


def check_file_pattern(pattern: str) -> None:
    """Raises ValueError for a pattern that does not name something below the task file's folder."""
    parts = pattern.split("/")
    if not pattern.strip("/.") or "\0" in pattern:
        raise ValueError(f"{pattern!r} names no file")
    if pattern.startswith("/") or parts[0] == "~" or ".." in parts:
        raise ValueError(f"{pattern!r} does not stay inside the task file's folder")
    _check_glob(pattern)


class Origin(NamedTuple):
    """Where a generated task comes from."""

    entry: int
    """Place of its entry in the file, from 0."""
    path: str = ""
    """The file or folder that it was made for, relative to the task file, `/`-separated; empty: for none."""
    number: int = 1
    """Of those that `count` made of one match."""


class GeneratedTask(Task):
    """A task that `foreach` made."""

    model_config = ConfigDict(defer_build=True)  # made of a Task, which is checked

    origin: Origin
