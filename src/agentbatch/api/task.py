"""A task as it is written in Python, and tasks as entries of a task file."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from agentbatch.config import Isolation, StopAt
from agentbatch.errors import UserError
from agentbatch.problems import Problem, all_problems, hint, in_one
from agentbatch.tasks.spec import task as spec


class Task(spec.Task):
    """One task: the fields of an entry in a task file (docs/tasks.md). Raises UserError for what cannot be."""

    if TYPE_CHECKING:  # what may be given, which is more than what the fields then are

        def __init__(
            self,
            *,
            first_prompt: str,
            dir: str | os.PathLike[str] = "",  # noqa: A002 - the field's name
            id: str | None = None,  # noqa: A002
            verify: str | Sequence[str] = (),
            include: str | Sequence[str] = (),
            setup: str | Sequence[str] = (),
            setup_cache: spec.CacheSpec | Mapping[str, Any] | None = None,
            setup_timeout: float = 600,
            teardown: str | Sequence[str] = (),
            hidden_verify: str | Sequence[str] = (),
            priority: int = 0,
            max_iterations: int | None = None,
            timeout: float | None = None,
            max_cost: float | None = None,
            max_tokens: int | None = None,
            depends_on: Sequence[str] | Literal["children"] = (),
            isolation: Isolation | None = None,
            attempts: int | Sequence[spec.AttemptSpec | Mapping[str, Any]] = (),
            stop_at: StopAt | None = None,
            inputs: Sequence[str] = (),
            outputs: Sequence[str] = (),
            coder: str | None = None,
            coder_model: str | None = None,
            evaluator_model: str | None = None,
            escalate: Sequence[Mapping[str, Any]] | None = None,
            context: str | Sequence[str] = (),
            env: Mapping[str, str] = {},
            protected_paths: Sequence[str] = (),
            image: str | None = None,
            dockerfile: str | os.PathLike[str] | None = None,
            workdir: str | None = None,
            memory: int | str = 0,
            cpus: float = 0,
            processes: int = 0,
            resources: Mapping[str, float] = {},
            mcp: Mapping[str, Mapping[str, Any]] = {},
        ) -> None: ...

    else:

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**{name: _without_path(value) for name, value in fields.items()})
            except ValidationError as error:
                raise UserError(in_one("Task", [_sentence(one) for one in all_problems(error)])) from None


def _without_path(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _sentence(problem: Problem) -> str:
    if problem.kind == "extra_forbidden":
        return f"unknown field {problem.name}; {hint(problem.name, spec.Task.model_fields, 'there are')}"
    return (
        f"{problem.name} {problem.told()}."
        if problem.kind == "missing"
        else f"{problem.name}: {problem.told()}."
    )


def entries(tasks: Sequence[spec.Task | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tasks as JSON has them. Raises UserError for what it cannot have."""
    given = [
        task.model_dump(mode="json", exclude_unset=True) if isinstance(task, spec.Task) else task
        for task in tasks
    ]
    try:
        found: list[dict[str, Any]] = json.loads(json.dumps(given, default=_plain, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(
            f"The batch: a task is a Task, or a mapping of what JSON can have: {error}."
        ) from None
    return found


def _plain(value: object) -> object:
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"not {type(value).__name__}")
