"""Answers that have to keep to a schema, and schemas that are none."""

import json
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.requests.spec.request import BatchRequest, response_format
from agentbatch.requests.spec.structured import check_schema, complaint, fits, schema_of

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ('{"name": "Ada", "age": 36}', ""),
        ('```json\n{"name": "Ada"}\n```', ""),
        ('<think>Ada? {"name": 1}</think>\n\n{"name": "Ada"}', ""),
        ('  {"name": "Ada"}  ', ""),
        ('{"age": 36}', "'name' is a required property (at the top)"),
        ('{"name": "Ada", "age": "36"}', "'36' is not of type 'integer' (at age)"),
        ('{"name": "Ada", "age": -1}', "-1 is less than the minimum of 0 (at age)"),
        ("Ada is 36.", "it is not JSON"),
        ("", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("1" * 10_000, "it is not JSON"),
    ],
)
def test_what_is_wrong_with_an_answer(answer: str, told: str) -> None:
    assert complaint(check_schema(PERSON, "s"), answer).startswith(told)
    assert bool(complaint(check_schema(PERSON, "s"), answer)) == bool(told)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ([], "s: a JSON schema is an object, not list."),
        ({"type": "nope"}, "s: 'nope' is not valid"),
        ({"pattern": "("}, "s: '(' is not a 'regex' (at pattern)."),
        ({"$ref": "#/$defs/missing"}, "'#/$defs/missing' leads to nothing"),
        ({"properties": {"a": {"items": [{"$ref": "other.json"}]}}}, "is not of type"),
        ({"properties": {"a": {"$ref": "http://127.0.0.1:9/x.json"}}}, "nothing is fetched"),
        ({"anyOf": [{"$ref": "file:///etc/passwd"}]}, "nothing is fetched"),
    ],
)
def test_what_is_no_schema(schema: Any, told: str) -> None:
    with pytest.raises(UserError) as raised:
        check_schema(schema, "s")
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n"}, 1, "1"),
        ({"$defs": {"n": {"$anchor": "n", "type": "integer"}}, "$ref": "#n"}, 1, "1"),
        ({"$id": "http://x/s.json", "properties": {"next": {"$ref": "s.json"}}, "required": ["n"]},
         {"n": 1, "next": {"n": 2}}, {"n": 1, "next": {}}),
        ({"enum": [{"$ref": "http://nowhere/"}]}, {"$ref": "http://nowhere/"}, {}),
    ],
)  # fmt: skip
def test_references_inside_a_schema(schema: dict[str, Any], good: Any, bad: Any) -> None:
    checked = check_schema(schema, "s")
    assert fits(checked, good)
    assert not fits(checked, bad)


def test_a_schema_that_never_ends_fails_the_answer_and_not_the_batch() -> None:
    assert "cannot be checked" in complaint(check_schema({"$ref": "#"}, "s"), "{}")


def test_which_requests_ask_for_a_schema() -> None:
    plain = BatchRequest.ask("a", "x").body
    assert schema_of(plain) is None
    assert schema_of({**plain, "response_format": {"type": "json_object"}}) is None
    assert schema_of({**plain, "response_format": "odd"}) is None
    assert (
        schema_of({**plain, "response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}) is None
    )
    asked = schema_of({**plain, "response_format": response_format(PERSON)})
    assert asked is not None
    assert fits(asked, {"name": "Ada"})
    with pytest.raises(UserError, match="json_schema: 'nope'"):
        schema_of({**plain, "response_format": response_format({"type": "nope"})})


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ("[]", True),
        ('[1, "1", [1], {"a": 1}, true, null]', True),
        ("[1, true, 0, false]", True),
        ("[1, 1.0]", False),
        ('[{"a": 1, "b": [2.0]}, {"b": [2], "a": 1}]', False),
        ('["a", [], "a"]', False),
    ],
)
def test_items_that_are_to_be_unique(items: str, unique: bool) -> None:
    schema = check_schema({"type": "array", "uniqueItems": True}, "s")
    assert (complaint(schema, items) == "") is unique


@pytest.mark.slow
def test_a_long_answer_of_unique_items_is_gone_through_once() -> None:
    """Each compared with each other one takes half an hour, in which no other request moves."""
    schema = check_schema({"type": "array", "uniqueItems": True}, "s")
    items = [n if n % 2 else {"a": n} for n in range(60_000)]
    assert complaint(schema, json.dumps(items)) == ""
    assert complaint(schema, json.dumps([*items, {"a": 0}])) != ""
