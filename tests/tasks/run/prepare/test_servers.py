"""The servers of tools that tasks name, before a run."""

import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServer
from agentbatch.redaction import Redactor
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.tasks.coders.catalog.entry import CoderEntry
from agentbatch.tasks.run.prepare.own_files import digests
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.tasks.run.prepare.prepared_run import PreparedRun
from agentbatch.tasks.run.prepare.servers import unserved
from agentbatch.tasks.spec.make_plan import make_plan
from agentbatch.tasks.spec.task import Task
from tests.support.run_events import run_started

ENVIRON = {
    "OPENAI_API_KEY": "sk-test-0123456789abcdef",
    "PATH": "/usr/bin:/bin",
    "DOCS_TOKEN": "docs-0123456789",
}
DOCS = {"url": "https://docs.example.com/mcp", "headers": {"Authorization": "Bearer ${DOCS_TOKEN}"}}


def prepared(folder: Path, servers: dict[str, Any], **given: Any) -> PreparedRun:
    task = {"id": "t", "first_prompt": "p", "mcp": servers}
    (folder / "task.json").write_text(json.dumps({"tasks": [task]}))
    settings = load_settings(given, ENVIRON, folder=folder)
    return prepare(settings, folder=folder, environ=ENVIRON)


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (
            {"command": ["no-such-program-x"]},
            "Task t: its MCP server s cannot be started. The program no-such-pro",
        ),
        ({**DOCS, "headers": {"A": "${NOT_SET}"}}, "has ${NOT_SET} in its headers, which is not set"),
        (
            {**DOCS, "headers": {"A": "${OPENAI_API_KEY}"}},
            "a key of a model endpoint, which goes nowhere else",
        ),
        ({}, "must have either a command or a url"),
        ({"command": ["sh"], "toolz": ["a"]}, "unknown key tasks[0].mcp.s.toolz"),
    ],
)
def test_what_is_wrong_is_said_before_the_run(tmp_path: Path, server: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as error:
        prepared(tmp_path, {"s": server})
    assert told in str(error.value)


def test_headers_are_filled_and_hidden(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/coder.toml").write_text('[mcp.servers.notes]\ncommand = ["sh"]\n')
    run = prepared(tmp_path, {"docs": DOCS})
    (task,) = run.plan.tasks
    assert list(task.servers) == ["notes", "docs"]
    assert task.servers["docs"].headers == {"Authorization": "Bearer docs-0123456789"}
    assert Redactor(run.secrets)("docs-0123456789") == "[redacted]"
    assert task.task.mcp["docs"].headers == DOCS["headers"]


async def test_no_server_is_called_that_a_task_may_have_named(tmp_path: Path) -> None:
    prepared(tmp_path, {"docs": DOCS})
    store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2)), Redactor([]))
    store.emit(run_started(max_concurrent=1, own_files=digests([tmp_path / "task.json"], tmp_path)))
    await store.close()
    prepared(tmp_path, {"docs": DOCS})
    elsewhere = {"docs": {"url": "https://elsewhere.example.com/"}}
    with pytest.raises(UserError, match="names an MCP server that is called from outside of the sandbox"):
        prepared(tmp_path, elsewhere)
    prepared(tmp_path, elsewhere, trust_changes=True)


def test_a_server_of_a_task_is_part_of_what_it_is() -> None:
    plain, served = (
        make_plan([Task(first_prompt="p", mcp=mcp)], Path(os.devnull), max_iterations=1).tasks[0]
        for mcp in ({}, {"s": McpServer(command=("sh",))})
    )
    assert plain.definition != served.definition


PROTOCOLS = {
    "builtin": CoderEntry(name="builtin", protocol="builtin"),
    "acp": CoderEntry(name="acp", protocol="acp", command=("a",)),
    "command": CoderEntry(name="command", protocol="command", command=("a",)),
    "told": CoderEntry(name="told", protocol="command", command=("a",), files={"a": "{mcp_servers}"}),
}


@pytest.mark.parametrize(("coder", "reached"), [("builtin", True), ("acp", False)])
def test_without_a_network_a_server_elsewhere_is_out_of_reach_of_others(coder: str, reached: bool) -> None:
    servers = {"s": McpServer(url="https://docs.example.com/mcp")}
    plan = make_plan([Task(first_prompt="p", coder=coder)], Path(os.devnull), max_iterations=1)
    task = replace(plan.tasks[0], servers=servers)
    assert unserved([task], PROTOCOLS) == []
    told = "With --no-network coders of others do not reach the MCP server s."
    assert unserved([task], PROTOCOLS, no_network=True) == ([] if reached else [told])


@pytest.mark.parametrize(
    ("coder", "server", "told"),
    [
        ("builtin", {**DOCS, "tools": ["a"]}, []),
        ("acp", {"command": ["sh"]}, []),
        ("acp", DOCS, ["Headers stay outside of the sandbox: coders of others do without the MCP server s."]),
        (
            "acp",
            {"command": ["sh"], "tools": []},
            ["Coders of others have all tools of the MCP server s, whatever"],
        ),
        (
            "command",
            {"command": ["sh"]},
            ["command gets no MCP servers: its entry in agents/coders.toml has no place"],
        ),
        ("told", {"command": ["sh"]}, []),
        (
            "told",
            DOCS,
            ["Headers stay outside of the sandbox: coders of others do without the MCP server s."],
        ),
    ],
)
def test_what_coders_of_others_do_without(coder: str, server: dict[str, Any], told: list[str]) -> None:
    servers = {"s": McpServer.model_validate(server)}
    task = make_plan([Task(first_prompt="p", coder=coder)], Path(os.devnull), max_iterations=1).tasks[0]
    found = unserved([replace(task, servers=servers)], PROTOCOLS)
    assert [one[: len(said)] for one, said in zip(found, told, strict=True)] == told
    required = {"s": servers["s"].model_copy(update={"required": True})}
    if told and "all tools" not in told[0]:
        with pytest.raises(UserError, match="requires the MCP server s"):
            unserved([replace(task, servers=required)], PROTOCOLS)
