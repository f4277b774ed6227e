"""Servers as users name them: what is wrong is said in one sentence, and no key reaches a command."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from agentbatch.mcp.server import McpServer, McpServers, merged


class Holder(BaseModel):
    servers: McpServers


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "either a command or a url"),
        ({"command": ["x"], "url": "http://x/"}, "either a command or a url"),
        ({"command": ["x"], "headers": {"A": "b"}}, "headers belongs to a server with a url"),
        ({"url": "http://x/", "env": {"A": "b"}}, "env belongs to a server with a command"),
        ({"command": ["x"], "env": {"A": "${TOKEN}"}}, "headers stay here"),
        ({"command": ["x"], "env": {"A-B": "c"}}, "not a name for an environment variable"),
        ({"command": [""]}, "begins with a program"),
        ({"url": "ftp://x/"}, "begins with http:// or https://"),
        ({"url": "http://x/ y"}, "begins with http:// or https://"),
        ({"url": "http://x/", "headers": {"Host": "y"}}, "made by the connection itself"),
        ({"url": "http://x/", "headers": {"A": "b\r\nC: d"}}, "one line of plain ASCII"),
        ({"command": ["x"], "timeout": 0}, "greater than 0"),
        ({"command": ["x"], "tool": ["a"]}, "Extra inputs"),
    ],
)
def test_what_is_no_server(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        McpServer.model_validate(given)


@pytest.mark.parametrize("name", ["", "a b", "../x", "a__b", "_a", "a_", "x" * 33, "读"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError, match="is not a name for a server"):
        Holder.model_validate({"servers": {name: {"command": ["x"]}}})


def test_two_names_that_are_one_to_a_model() -> None:
    with pytest.raises(ValidationError, match="'a_b' and 'a-b' are one name"):
        Holder.model_validate({"servers": {"a-b": {"command": ["x"]}, "a_b": {"command": ["x"]}}})


def test_headers_have_the_users_variables() -> None:
    server = McpServer.model_validate(
        {"url": "https://x/", "headers": {"Authorization": "Bearer ${TOKEN}", "X": "${A}${B}"}}
    )
    assert server.references == ("TOKEN", "A", "B")
    filled = server.filled_headers({"TOKEN": "t0", "A": "1"})
    assert filled == {"Authorization": "Bearer t0", "X": "1"}


def test_a_tasks_server_takes_the_place_of_one_with_its_name() -> None:
    usual, own = (McpServer(command=(name,)) for name in ("usual", "own"))
    assert merged({"a-b": usual, "c": usual}, {"a_b": own}) == {"c": usual, "a_b": own}
