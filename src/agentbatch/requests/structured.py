"""Answers that have to keep to a JSON schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from agentbatch.errors import UserError
from agentbatch.store.format import clip


@dataclass(frozen=True)
class AnswerSchema:
    """A schema, ready to check answers with."""

    validator: Draft202012Validator

    @staticmethod
    def extract(text: str) -> str:
        """The JSON of an answer: models like to fence it although nobody asked them to."""
        stripped = text.strip()
        if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
            return stripped.partition("\n")[2].rpartition("```")[0].strip()
        return stripped


def schema_of(body: Mapping[str, Any]) -> AnswerSchema | None:
    """The schema that a request's body asks for; None when it asks for none, or for one that is none."""
    form = body.get("response_format")
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return None
    inner = form.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, dict) else None
    return _compiled(json.dumps(schema, sort_keys=True)) if isinstance(schema, dict) else None


@lru_cache(maxsize=64)
def _compiled(text: str) -> AnswerSchema | None:
    schema = json.loads(text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return None
    return AnswerSchema(Draft202012Validator(schema))


def check_schema(schema: Any, where: str) -> None:
    """Raises UserError for what is no JSON schema."""
    if not isinstance(schema, dict):
        raise UserError(f"{where}: a JSON schema is an object, not {type(schema).__name__}.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UserError(f"{where}: {clip(error.message, 200)} (at {_place(error)}).") from None


def complaint(schema: AnswerSchema, answer: str) -> str:
    """What is wrong with an answer, for the model to read; empty when it keeps to the schema."""
    try:
        document = json.loads(schema.extract(answer))
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({clip(str(error), 100)})"
    problem = next(iter(schema.validator.iter_errors(document)), None)
    return "" if problem is None else f"{clip(problem.message, 300)} (at {_place(problem)})"


def _place(error: ValidationError | SchemaError) -> str:
    return "/".join(str(part) for part in error.absolute_path) or "the top"
