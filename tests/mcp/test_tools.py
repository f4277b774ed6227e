"""What of a server's list a model gets."""

from typing import Any

from agentbatch.mcp.server import McpServer
from agentbatch.mcp.tools import MAX_ALL, MAX_TOOLS, offered, within_limits, without_keys
from agentbatch.redaction import Redactor

SERVER = McpServer(command=("x",))


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def test_tools_are_in_the_order_of_their_names_once_each() -> None:
    listing = [
        tool("b"),
        tool("a", description="A\x1b[2J tool\nof mine."),
        "x",
        {"name": 5},
        tool("b"),
        tool(""),
        tool("\ud800"),
    ]
    found = offered("s", SERVER, listing)
    assert [one.called for one in found.tools] == ["mcp__s__a", "mcp__s__b"]
    assert [one.description for one in found.tools] == ["A tool of mine.", "A tool of the MCP server s."]
    assert found.notes == ()


def test_only_those_that_the_user_wants() -> None:
    server = McpServer(command=("x",), tools=("a", "gone"))
    found = offered("s", server, [tool("a"), tool("b")])
    assert [one.name for one in found.tools] == ["a"]
    assert found.notes == ("The MCP server s has no tool gone; it has a, b.",)


def test_what_a_call_has_no_room_for_is_left_out_and_told() -> None:
    many = offered("s", SERVER, [tool(f"t{n:03}") for n in range(500)]).tools
    kept = within_limits(many)
    assert len(kept.tools) == MAX_TOOLS
    assert kept.notes[0].startswith(
        "400 tools of MCP servers left out, since a model takes no more (mcp__s__t100,"
    )
    long = offered("s", SERVER, [tool(f"t{n:03}", description="x" * 5000) for n in range(90)]).tools
    assert sum(len(one.description) for one in within_limits(long).tools) < MAX_ALL
    assert len(within_limits(long, 8192).tools) == 7


def test_arguments_get_the_servers_names_back_and_keys_go() -> None:
    given = tool("a", inputSchema={"properties": {"x[]": {"description": "like sk-mcp-0123456789abcdef"}}})
    (found,) = offered("s", SERVER, [given]).tools
    shown = found.redacted(Redactor(["sk-mcp-0123456789abcdef"]))
    assert shown.own_arguments({"x__": 1, "y": 2}) == {"x[]": 1, "y": 2}
    assert shown.parameters["properties"]["x__"]["description"] == "like [redacted]"


def test_a_tool_whose_names_hold_a_key_is_left_out() -> None:
    key = "skmcp0123456789abcdef"
    listing = [
        tool(f"get_{key}"),
        tool("a", inputSchema={"properties": {key: {}}}),
        tool("b", inputSchema={"properties": {f"[{key}]": {}}}),
        tool("c", description=key, inputSchema={"properties": {"x": {key: key, "description": key}}}),
    ]
    found = without_keys(offered("s", SERVER, listing), Redactor([key]))
    assert [one.name for one in found.tools] == ["c"]
    assert found.notes == ("3 tools of the MCP server s left out: a name in it holds a key.",)
    assert key not in repr(found)


def test_names_are_bounded_and_what_no_model_gets_is_not_looked_at() -> None:
    long: dict[str, Any] = {"properties": {"x" * 300: {}, "y": {}}}
    found = offered("s", SERVER, [tool("a" * 300), *(tool(f"t{n:03}", inputSchema=long) for n in range(200))])
    assert [one.name for one in found.tools[:2]] == ["t000", "t001"]
    assert [list(one.parameters["properties"]) for one in found.tools[99:101]] == [["y"], []]
    assert found.cleaned["mcp__s__t100"] == ("not looked at: there are too many tools",)


def test_only_the_server_can_say_that_a_tool_changes_nothing() -> None:
    hints: list[Any] = [None, "x", {"readOnlyHint": "yes"}, {"readOnlyHint": True}]
    listing = [tool(f"t{n}", annotations=hint) for n, hint in enumerate(hints)]
    assert [one.reads_only for one in offered("s", SERVER, listing).tools] == [False, False, False, True]
