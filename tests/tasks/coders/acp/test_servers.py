"""Servers of tools as an agent is told of them."""

import json
import sys
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServer
from agentbatch.tasks.coders.acp.servers import acp_servers
from tests.support.acp import acp_stage
from tests.support.paths import CHECKOUT

COMMAND = McpServer(command=("notes-server", "--all"), env={"A": "b"})
FAKE = str(CHECKOUT / "tests" / "support" / "fake_mcp_server.py")
NOTES = McpServer(command=(sys.executable, "-I", "-S", FAKE), env={"A": "b"})
ABSOLUTE = McpServer(command=("/opt/notes", "x"))
URL = McpServer(url="https://docs.example.com/mcp")
SECRET = McpServer(url="https://docs.example.com/mcp", headers={"Authorization": "Bearer x"})


@pytest.mark.parametrize(
    ("server", "takes", "told", "sentence"),
    [
        (
            COMMAND,
            [],
            {
                "command": "/usr/bin/env",
                "args": ["notes-server", "--all"],
                "env": [{"name": "A", "value": "b"}],
            },
            "",
        ),
        (ABSOLUTE, [], {"command": "/opt/notes", "args": ["x"], "env": []}, ""),
        (URL, ["http"], {"type": "http", "url": "https://docs.example.com/mcp", "headers": []}, ""),
        (
            URL.model_copy(update={"sse": True}),
            ["http", "sse"],
            {"type": "sse", "url": "https://docs.example.com/mcp", "headers": []},
            "",
        ),
        (URL, ["sse"], None, "It takes no such MCP servers as s by HTTP, and does without."),
        (
            SECRET,
            ["http"],
            None,
            "It does not get the MCP server s, whose headers stay outside of its walls.",
        ),
    ],
)
def test_what_an_agent_is_told(
    server: McpServer, takes: list[str], told: dict[str, object] | None, sentence: str
) -> None:
    found, left_out = acp_servers({"s": server}, takes)
    shown = [one.model_dump(by_alias=True, exclude_none=True) for one in found]
    assert shown == ([] if told is None else [{"name": "s", **told}])
    assert left_out == ([sentence] if sentence else [])


async def test_a_session_begins_with_those_that_can_be_had(tmp_path: Path) -> None:
    gone = McpServer(command=(sys.executable, "-c", "raise SystemExit('out of cheese')"))
    servers = {"notes": NOTES, "docs": SECRET, "gone": gone}
    async with acp_stage(tmp_path, [{"say": "Done."}], servers=servers) as stage:
        await stage.coder.turn("Do it.")
        await stage.coder.turn("And more.", fresh=True)
        begun = [one["servers"] for one in stage.heard if one["method"] == "session/new"]
        assert [[one["name"] for one in told] for told in begun] == [["notes"]] * 2
        lost, kept_out = stage.notices
        assert lost.startswith("fake: The MCP server gone cannot be used: ")
        assert lost.endswith(" The task goes on without its tools.")
        assert (
            kept_out == "fake: It does not get the MCP server docs, whose headers stay outside of its walls."
        )


async def test_one_that_is_required_and_cannot_be_had_ends_the_task(tmp_path: Path) -> None:
    servers = {"gone": McpServer(command=("false",), required=True)}
    async with acp_stage(tmp_path, [{"say": "Done."}], servers=servers) as stage:
        with pytest.raises(UserError, match="The MCP server gone cannot be used: "):
            await stage.coder.turn("Do it.")
        assert stage.heard == []


async def test_who_has_a_place_for_them_in_its_configuration_is_told_there(tmp_path: Path) -> None:
    servers = {"notes": NOTES, "docs": URL, "secret": SECRET}
    entry = {"files": {"mcp.json": '{"mcpServers": {mcp_servers}}'}}
    async with acp_stage(tmp_path, [{"say": "Done."}], servers=servers, entry=entry) as stage:
        await stage.coder.turn("Do it.")
        assert [one["servers"] for one in stage.heard if one["method"] == "session/new"] == [[]]
        assert json.loads((stage.home / "mcp.json").read_text()) == {
            "mcpServers": {
                "notes": {
                    "type": "stdio",
                    "command": sys.executable,
                    "args": ["-I", "-S", FAKE],
                    "env": {"A": "b"},
                },
                "docs": {"type": "http", "url": "https://docs.example.com/mcp"},
            }
        }
