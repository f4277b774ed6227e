"""From the JSON text that a model wrote to a tool's checked arguments, or a sentence on what is wrong."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from agentbatch.workspace.tools.base import Tool

MAX_PROBLEMS = 5
"""Wrong arguments that an answer names."""


class ArgumentsError(ValueError):
    """Its text says to the model what is wrong and what to send instead."""


def parse_arguments(tool: Tool, arguments: str | Mapping[str, object]) -> Any:
    """A value of the tool's own argument model, from JSON text or the object that it stands for.

    Lenient where models slip without a loss of meaning: nothing at all for {}, the object wrapped in a
    JSON string, numbers and booleans as strings, null for an optional argument. Raises ArgumentsError."""
    values = _object(tool, arguments) if isinstance(arguments, str) else dict(arguments)
    optional = {name for name, field in tool.arguments.model_fields.items() if not field.is_required()}
    given = {name: value for name, value in values.items() if value is not None or name not in optional}
    try:
        return tool.arguments.model_validate(given)
    except ValidationError as error:
        problems = [_problem(problem) for problem in error.errors(include_url=False)[:MAX_PROBLEMS]]
        raise ArgumentsError(
            f"{tool.name}: {'; '.join(problems)}. Nothing was done. Call it as {_signature(tool)}."
        ) from None


def _object(tool: Tool, text: str) -> dict[str, Any]:
    try:
        value = _load(text) if text.strip() else {}
        if isinstance(value, str):
            value = _load(value)
    except (ValueError, RecursionError) as error:
        raise ArgumentsError(
            f"The arguments of {tool.name} are not valid JSON ({_reason(error)}), perhaps because they were "
            f"cut off. Nothing was done. Send the whole call again as {_signature(tool)}; build a very long "
            "file in several calls."
        ) from None
    if not isinstance(value, dict):
        raise ArgumentsError(
            f"The arguments of {tool.name} must be a JSON object. Nothing was done. "
            f"Call it as {_signature(tool)}."
        )
    return value


def _load(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("a name is given twice")
    return values


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1:,}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def _problem(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])[:100]
    match problem["type"]:
        case "missing":
            return f"{name!r} is missing"
        case "extra_forbidden":
            return f"there is no argument {name!r}"
        case _:
            return f"{name!r}: {problem['msg']}"


def _signature(tool: Tool) -> str:
    parts = [
        name if field.is_required() else f"{name}?" for name, field in tool.arguments.model_fields.items()
    ]
    return f"{tool.name}({', '.join(parts)})"
