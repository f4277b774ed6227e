"""Schemas as every endpoint takes them: a row for each thing that one of them refuses."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest

from agentbatch.mcp.schemas import MAX_SCHEMA, clean

TEXT = {"type": "string"}


def arguments(schema: dict[str, Any], **top: Any) -> dict[str, Any]:
    """Of one argument `x`, cleaned."""
    found: dict[str, Any] = clean({"type": "object", "properties": {"x": schema}, **top}).schema[
        "properties"
    ]["x"]
    return found


NODE = {
    "type": "object",
    "properties": {"name": TEXT, "below": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
}


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        (TEXT, TEXT),
        ({"type": "integer", "title": "X", "$schema": "x", "examples": [1]}, {"type": "integer"}),
        (
            {"type": "integer", "default": 5, "minimum": 1, "description": "How many."},
            {"type": "integer", "description": "How many. (default: 5, minimum: 1)"},
        ),
        (
            {**TEXT, "pattern": "^a", "format": "uri"},
            {**TEXT, "description": '(pattern: "^a", format: "uri")'},
        ),
        ({"anyOf": [TEXT, {"type": "null"}], "default": None}, TEXT),
        ({"type": ["string", "null"]}, TEXT),
        ({"type": ["string", "integer"]}, {"anyOf": [TEXT, {"type": "integer"}]}),
        ({"oneOf": [TEXT, {"type": "integer"}]}, {"anyOf": [TEXT, {"type": "integer"}]}),
        ({"anyOf": []}, TEXT),
        ({}, TEXT),
        ({"properties": {"a": TEXT}}, {"type": "object", "properties": {"a": TEXT}, "required": []}),
        ({"type": "string", "properties": {"a": TEXT}, "required": ["a"]}, TEXT),
        ({"type": "array"}, {"type": "array", "items": TEXT}),
        ({"type": "array", "items": [TEXT]}, {"type": "array", "items": TEXT}),
        ({"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"type": "string", "enum": ["a", "\ud800"]}, TEXT),
        ({"properties": {"\ud800": TEXT}}, {"type": "object", "properties": {}, "required": []}),
        ({"enum": [1, 2]}, {"type": "string", "description": "(one of [1, 2])"}),
        ({"type": "string", "const": "a"}, {"type": "string", "description": '(const: "a")'}),
        (
            {
                "allOf": [
                    {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
                    {"properties": {"b": TEXT}},
                ]
            },
            {"type": "object", "properties": {"b": TEXT, "a": TEXT}, "required": ["a"]},
        ),
        (
            {"type": "object", "additionalProperties": TEXT, "required": ["gone"]},
            {"type": "object", "properties": {}, "required": []},
        ),
        ({"type": "\x1b[2J", "description": "a\x1b[2Jb\nc"}, {"type": "string", "description": "ab c"}),
        (True, TEXT),
    ],
)
def test_one_argument(given: Any, cleaned: dict[str, Any]) -> None:
    found = arguments(given)
    assert found == cleaned
    jsonschema.Draft202012Validator.check_schema(found)


@pytest.mark.parametrize(
    ("reference", "cleaned"),
    [
        ("#/$defs/t", TEXT),
        ("#/$defs/to", TEXT),
        ("#/$defs/circle", {"type": "string"}),
        ("#/$defs/missing", {"type": "string"}),
        ("http://127.0.0.1/schema.json", {"type": "string"}),
    ],
)
def test_references_are_put_in_their_place(reference: str, cleaned: dict[str, Any]) -> None:
    definitions = {"t": TEXT, "to": {"$ref": "#/$defs/t"}, "circle": {"$ref": "#/$defs/circle"}}
    assert arguments({"$ref": reference}, **{"$defs": definitions}) == cleaned


def test_what_refers_to_itself_is_cut() -> None:
    found = arguments({"$ref": "#/$defs/n"}, **{"$defs": {"n": NODE}})
    assert found["properties"]["below"] == {
        "type": "array",
        "items": {"type": "object", "properties": {}, "required": []},
    }


ROOTS: list[Any] = [None, [], "x", {}, {"type": "string"}, {"type": "object", "anyOf": [{"required": ["a"]}]}]


@pytest.mark.parametrize("given", ROOTS)
def test_the_top_is_an_object_and_nothing_besides(given: object) -> None:
    assert clean(given).schema == {"type": "object", "properties": {}, "required": []}


def test_arguments_with_names_that_endpoints_refuse_have_others() -> None:
    names = ["filter[id]", "filter_id_", "a" * 70, "读"]
    found = clean({"type": "object", "properties": dict.fromkeys(names, TEXT), "required": ["读"]})
    assert list(found.schema["properties"]) == ["filter_id__2", "filter_id_", "a" * 60, "_"]
    assert found.schema["required"] == ["_"]
    assert found.renamed == {"filter_id__2": "filter[id]", "a" * 60: "a" * 70, "_": "读"}


def nested(depth: int, keyword: str) -> dict[str, Any]:
    inner: dict[str, Any] = {}
    for _ in range(depth):
        inner = {"properties": {"a": inner}} if keyword == "properties" else {keyword: [inner, inner]}
    return inner


WIDE = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 9} for n in range(30)}
HOSTILE = [
    *(nested(400, keyword) for keyword in ("properties", "allOf", "anyOf")),
    {"properties": {f"a{n}": {"enum": ["x" * 1000] * 1000} for n in range(200)}},
    {"properties": {f"a{n}": {"properties": {f"b{m}": TEXT for m in range(60)}} for n in range(60)}},
    {"$defs": WIDE, "properties": {"a": {"$ref": "#/$defs/d0"}}},
    {"$ref": "#"},
    {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
    {"properties": {"a": {"$ref": "#"}}},
]


@pytest.mark.parametrize("given", HOSTILE)
def test_a_schema_that_means_harm_is_small(given: dict[str, Any]) -> None:
    found = clean(given)
    assert len(json.dumps(found.schema)) <= MAX_SCHEMA
    assert found.schema["type"] == "object"
    jsonschema.Draft202012Validator.check_schema(found.schema)


class Looks:
    """At the entries of what is large."""

    def __init__(self) -> None:
        self.seen = 0


class Wide(dict[str, Any]):
    def __init__(self, names: int, looks: Looks) -> None:
        super().__init__({f"p{n}": {} for n in range(names)})
        self.looks = looks

    def __iter__(self) -> Iterator[str]:  # what is merged is asked for its keys then
        return super().__iter__()

    def keys(self) -> Any:
        self.looks.seen += len(self)
        return super().keys()


class Long(list[Any]):
    def __init__(self, entries: int, looks: Looks) -> None:
        super().__init__(["x"] * entries)
        self.looks = looks

    def __iter__(self) -> Iterator[Any]:
        self.looks.seen += len(self)
        return super().__iter__()


MANY = 20_000
REFERENCE = {"$ref": "#/$defs/a"}


@pytest.mark.parametrize(
    "given",
    [
        lambda looks: {"allOf": [REFERENCE] * 100, "$defs": {"a": {"properties": Wide(MANY, looks)}}},
        lambda looks: {
            "properties": {f"a{n}": REFERENCE for n in range(60)},
            "$defs": {"a": {"enum": Long(MANY, looks)}},
        },
    ],
)
def test_what_is_large_and_named_everywhere_is_not_looked_at_each_time(
    given: Callable[[Looks], dict[str, Any]],
) -> None:
    looks = Looks()
    assert len(json.dumps(clean(given(looks)).schema)) <= MAX_SCHEMA
    assert looks.seen <= 4 * 15 * MANY


def test_what_is_lost_is_told() -> None:
    found = clean({"properties": {"a": {"not": TEXT}}, "if": {}, "additionalProperties": False})
    assert found.notes == ("`if` at the top left out", "`not` left out")
