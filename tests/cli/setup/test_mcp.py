"""`agentbatch mcp`: servers, each once, and their tools as a model has them."""

import json
from pathlib import Path

import pytest

from agentbatch.cli.main import main
from agentbatch.cli.setup.mcp import ServerStatus, lines, servers_of
from agentbatch.mcp.server import McpServer
from agentbatch.mcp.tools import offered
from tests.support.mcp_servers import fake, tool

TASKS = {
    "tasks": [
        {"first_prompt": "a", "mcp": {"own": {"url": "https://user:secret@x.example/mcp"}}},
        {"id": "b", "first_prompt": "b", "mcp": {"own": {"url": "https://user:secret@x.example/mcp"}}},
        {"id": "c", "first_prompt": "c", "mcp": {"own": {"command": ["x"]}}},
    ]
}


def test_each_server_is_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/coder.toml").write_text('[mcp.servers.all]\ncommand = ["x"]\n')
    assert [one.name for one in servers_of(tmp_path, None)] == ["all"]
    (tmp_path / "task.json").write_text(json.dumps(TASKS))
    found = servers_of(tmp_path, None)
    assert [(one.name, one.where) for one in found] == [
        ("all", "agents/coder.toml"),
        ("own", "task 1"),
        ("own", "task c"),
    ]
    assert "secret" not in json.dumps(found[1].document())


def test_what_is_shown_of_one() -> None:
    server = McpServer(command=("notes", "--all"))
    listing = [
        tool("read", description="Read.", annotations={"readOnlyHint": True}),
        tool("w", inputSchema={"if": {}}),
    ]
    found = ServerStatus("notes", "task 1", server, offered("notes", server, listing))
    assert lines(found, 60) == [
        "notes (task 1): notes --all",
        "  2 tools",
        "  mcp__notes__read (changes nothing): Read.",
        "  mcp__notes__w: A tool of the MCP server notes.",
        "    schema: `if` at the top left out",
    ]
    assert lines(found._replace(tools=offered("notes", server, []), problem="It ended."), 60)[1:] == [
        "  It ended."
    ]


@pytest.mark.slow
def test_servers_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["mcp"]) == 0
    assert "No MCP server is named" in capsys.readouterr().out
    servers = {"s": fake("echo").model_dump(exclude_defaults=True), "lost": {"command": ["no-such-server"]}}
    (tmp_path / "other.json").write_text(json.dumps({"tasks": [{"first_prompt": "a", "mcp": servers}]}))
    assert main(["mcp", "-t", "other.json", "--json", "--sandbox", "none"]) == 1
    one, lost = json.loads(capsys.readouterr().out)
    assert [tool["called"] for tool in one["tools"]] == ["mcp__s__echo"]
    assert lost["problem"].startswith("It cannot be started.")
    assert main(["mcp", "s", "-t", "other.json", "--sandbox", "none"]) == 0
    assert main(["mcp", "nope"]) == 2
