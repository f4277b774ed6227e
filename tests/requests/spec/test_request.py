"""A line of input becomes a request."""

import json
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.requests.spec.request import BatchRequest, read_line


def line(document: Any) -> str:
    return json.dumps(document)


def test_the_short_form() -> None:
    request = read_line(
        line(
            {
                "id": "a",
                "prompt": "Hi",
                "system": "Be brief.",
                "model": "m",
                "temperature": 0,
                "max_tokens": 5,
            }
        ),
        "l",
    )
    assert request.id == "a"
    assert request.url == "/v1/chat/completions"
    assert request.body == {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "model": "m",
        "temperature": 0,
        "max_tokens": 5,
    }


def test_messages_and_a_schema() -> None:
    schema = {"title": "Colour of a thing!", "type": "object"}
    request = read_line(
        line({"id": "a", "messages": [{"role": "user", "content": "x"}], "json_schema": schema}), "l"
    )
    assert request.body["messages"] == [{"role": "user", "content": "x"}]
    form = request.body["response_format"]
    assert form == {"type": "json_schema", "json_schema": {"name": "Colour_of_a_thing_", "schema": schema}}


def test_the_batch_form() -> None:
    body = {"model": "m", "input": ["a", "b"]}
    request = read_line(
        line({"custom_id": "7", "method": "POST", "url": "/v1/embeddings", "body": body}), "l"
    )
    assert (request.id, request.url, request.body) == ("7", "/v1/embeddings", body)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "here: not JSON: "),
        ("1" * 5000, "here: not JSON: Exceeds the limit"),
        ('["a"]', "here: a JSON object is wanted, not list."),
        ("[" * 100_000, "here: "),
        (line({"prompt": "x"}), "here: `id` is missing."),
        (line({"id": "", "prompt": "x"}), "here: `id`: "),
        (line({"id": 5, "prompt": "x"}), "here: `id`: "),
        (line({"id": "a"}), "needs `prompt` or `messages`, one of them"),
        (line({"id": "a", "prompt": "x", "messages": [{}]}), "one of them"),
        (line({"id": "a", "promt": "x"}), "`promt` is not known; did you mean `prompt`"),
        (
            line({"custom_id": "a", "url": "/v1/images", "body": {}}),
            "`url` must be one of /v1/chat/completions",
        ),
        (line({"custom_id": "a", "url": "/v1/chat/completions"}), "`body` is missing."),
        (line({"custom_id": "a", "method": "GET", "url": "/v1/embeddings", "body": {}}), "`method`: "),
        (line({"id": "a", "prompt": "x", "max_tokens": 0}), "`max_tokens`: "),
    ],
)
def test_lines_that_are_no_requests(text: str, told: str) -> None:
    with pytest.raises(UserError) as raised:
        read_line(text, "here")
    assert str(raised.value).startswith("here: ")
    assert told in str(raised.value)


def test_equal_questions_have_equal_keys() -> None:
    one = BatchRequest(id="a", body={"model": "m", "n": 1})
    same = BatchRequest(id="b", body={"n": 1, "model": "m"})
    assert one.key("u") == same.key("u")
    for other in (
        BatchRequest(id="a", body={"model": "m", "n": 2}).key("u"),
        BatchRequest(id="a", body=one.body, url="/v1/completions").key("u"),
        one.key("v"),
        one.key("u", "prompts-2"),
    ):
        assert other != one.key("u")
    assert BatchRequest(id="a", body={"x": "\ud800"}).key("u")
