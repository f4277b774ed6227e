"""What a batch puts into its requests, and what cannot be sent as JSON."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.requests import BatchRequest
from agentbatch.requests.options import BatchOptions
from agentbatch.requests.spec.request import read_line
from tests.requests.conftest import Serve


def circle() -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    schema["properties"] = {"a": schema}
    return schema


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_request_that_has_instructions_keeps_them(role: str) -> None:
    body = {"messages": [{"role": role, "content": "Be kind."}, {"role": "user", "content": "Hello."}]}
    applied = BatchOptions(model="m", system="Be brief.").apply(BatchRequest(id="a", body=body))
    assert applied.body["messages"] == body["messages"]


def test_a_request_without_gets_the_batch_s() -> None:
    applied = BatchOptions(model="m", system="Be brief.").apply(BatchRequest.ask("a", "Hello."))
    assert applied.body["messages"][0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": {1, 2}},
        {"enum": [object()]},
        {"minimum": math.nan},
        {"properties": {1: {}, "a": {}}},
        circle(),
    ],
    ids=["set", "object", "nan", "keys", "circle"],
)
def test_a_schema_that_is_no_json(schema: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="The request 'a': json_schema: it cannot be written as JSON"):
        BatchOptions(model="m", json_schema=schema).apply(BatchRequest.ask("a", "Hello."))
    with pytest.raises(UserError, match="The request 'a': json_schema: it cannot be written as JSON"):
        BatchOptions(model="m").apply(BatchRequest.ask("a", "Hello.", json_schema=schema))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object(), {1, 2}, b"x"])
async def test_a_body_that_is_no_json(serve: Serve, value: Any) -> None:
    fine = BatchRequest.ask("fine", "Hello.")
    wrong = fine.model_copy(update={"id": "wrong", "body": {**fine.body, "temperature": value}})
    async with serve() as (processor, server):
        with pytest.raises(UserError, match="The request 'wrong' cannot be sent as JSON"):
            processor.estimate([wrong])
        with pytest.raises(UserError, match="The request 'wrong' cannot be sent as JSON"):
            await processor.run([fine, wrong])
        assert all("temperature" not in request.body for request in server.requests)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_line_with_a_number_that_json_has_not(number: str) -> None:
    with pytest.raises(UserError, match=f"line 3: JSON has no number {number}"):
        read_line(f'{{"id": "a", "prompt": "Hello.", "temperature": {number}}}', "in.jsonl line 3")


def test_a_number_too_large_for_json_names_its_request() -> None:
    request = read_line('{"id": "big", "prompt": "Hello.", "temperature": 1e999}', "line 1")
    with pytest.raises(UserError, match="'big' cannot be sent as JSON"):
        request.key("http://localhost")


def same(request: BatchRequest) -> BatchRequest:
    return request.model_copy(update={"body": dict(reversed(request.body.items()))})


@pytest.mark.parametrize(
    ("change", "equal"), [(same, True), (lambda r: BatchRequest.ask("a", "Bye."), False)]
)
def test_a_key_stands_for_what_is_asked(change: Callable[[BatchRequest], BatchRequest], equal: bool) -> None:
    request = BatchRequest.ask("a", "Hello.", model="m")
    assert (change(request).key("u") == request.key("u")) is equal


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"batch_size": 0}, {"batch_size": 11}])
def test_what_is_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has to be"):
        replace(BatchOptions(), **wrong)
