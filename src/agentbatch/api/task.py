"""A task as it is written in Python, and tasks as entries of a task file."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from agentbatch.errors import UserError
from agentbatch.problems import all_problems, hint, in_one
from agentbatch.tasks.spec import task as spec


class Task(spec.Task):
    """One task: the fields of an entry in task.json (docs/tasks.md). Raises UserError for what cannot be."""

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, given: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(given, dict) and isinstance(place := given.get("dir"), os.PathLike):
            given = {**given, "dir": os.fspath(place)}
        try:
            return check(given)
        except ValidationError as error:
            raise UserError(in_one("Task", [_sentence(one) for one in all_problems(error)])) from None


def _sentence(problem: Any) -> str:
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
    raise TypeError(f"{type(value).__name__} is none")
