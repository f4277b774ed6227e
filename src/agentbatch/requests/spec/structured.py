"""Answers that have to keep to a JSON schema."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from agentbatch.errors import UserError
from agentbatch.patterns import regex
from agentbatch.requests.spec.make_values import read_text
from agentbatch.text import clip

_THOUGHT = regex(r"\A\s*<(think|thinking)>.*?</\1>", re.DOTALL)

DATA = frozenset({"const", "default", "enum", "examples"})
"""Keywords whose values are data: a `$ref` in there refers to nothing."""


def _unique(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The package compares each item of a mixed list with each other one: a long answer would hold up all others."""
    if wanted and validator.is_type(instance, "array"):
        seen = {json.dumps(_plain(item), sort_keys=True) for item in instance}
        if len(seen) < len(instance):
            yield ValidationError(f"{instance!r} has non-unique elements")


def _plain(value: Any) -> Any:
    """As JSON Schema compares: 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return {name: _plain(inner) for name, inner in value.items()} if isinstance(value, dict) else value


_Validator = extend(Draft202012Validator, {"uniqueItems": _unique})  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class AnswerSchema:
    """A schema, ready to check answers with."""

    validator: Draft202012Validator

    @staticmethod
    def extract(text: str) -> str:
        """The JSON of an answer: models like to fence it although nobody asked them to, and servers leave their
        thoughts in front of it."""
        stripped = _THOUGHT.sub("", text).strip()
        if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
            return stripped.partition("\n")[2].rpartition("```")[0].strip()
        return stripped


def schema_of(body: Mapping[str, Any]) -> AnswerSchema | None:
    """The schema that a request's body asks for; None when there is none. Raises UserError for an invalid one."""
    form = body.get("response_format")
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return None
    inner = form.get("json_schema")
    if not isinstance(inner, dict) or "schema" not in inner:
        return None
    try:
        text = json.dumps(inner["schema"], sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"json_schema: it cannot be written as JSON: {clip(str(error), 200)}.") from None
    return _compiled(text)


@lru_cache(maxsize=64)
def _compiled(text: str) -> AnswerSchema:
    return check_schema(json.loads(text), "json_schema")


def check_schema(schema: Any, where: str) -> AnswerSchema:
    """Raises UserError for what is not a JSON schema, and for one with references out of itself: nothing is fetched."""
    if not isinstance(schema, dict):
        raise UserError(f"{where}: a JSON schema is an object, not {type(schema).__name__}.")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise UserError(f"{where}: {clip(error.message, 200)} (at {_place(error)}).") from None
    except RecursionError:
        raise UserError(f"{where}: nested too deeply.") from None
    registry: Registry[Any] = Registry()
    resolver = registry.resolver_with_root(DRAFT202012.create_resource(schema))
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise UserError(
                f"{where}: the reference {clip(reference, 100)!r} leads to nothing in the schema itself. Put its "
                "target into $defs; nothing is fetched from elsewhere."
            ) from None
    return AnswerSchema(_Validator(schema, registry=registry))


def read_schema(path: Path, shown: str) -> Any:
    """The JSON schema in a file; `shown`: what errors call it. Raises UserError as `check_schema`."""
    try:
        schema = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{shown} is not JSON: {clip(str(error), 200)}.") from None
    check_schema(schema, shown)
    return schema


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for inner in schema:
            yield from _references(inner)
    elif isinstance(schema, dict):
        for name, inner in schema.items():
            if name in ("$ref", "$dynamicRef") and isinstance(inner, str):
                yield inner
            elif name not in DATA:
                yield from _references(inner)


def complaint(schema: AnswerSchema, answer: str) -> str:
    """What is wrong with an answer, for the model to read; empty when it keeps to the schema."""
    try:
        document = json.loads(schema.extract(answer))
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({clip(str(error), 100)})"
    return _problem(schema, document)


def fits(schema: AnswerSchema, document: Any) -> bool:
    """Whether a document keeps to the schema."""
    return not _problem(schema, document)


def _problem(schema: AnswerSchema, document: Any) -> str:
    try:
        found = next(iter(schema.validator.iter_errors(document)), None)
    except (RecursionError, Unresolvable) as error:
        return f"it cannot be checked by the schema ({clip(str(error), 200)})"
    return "" if found is None else f"{clip(found.message, 300)} (at {_place(found)})"


def _place(error: ValidationError | SchemaError) -> str:
    return "/".join(str(part) for part in error.absolute_path) or "the top"
