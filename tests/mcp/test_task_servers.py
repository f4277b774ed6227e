"""Servers of tools over a real process, which may do what it likes: each call has an answer, and a task goes on."""

import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.mcp.server import McpServer
from agentbatch.mcp.task_servers import TaskServers
from agentbatch.redaction import Redactor
from agentbatch.workspace.workspace import ToolResult
from tests.support.mcp_servers import FAKE, fake, tool
from tests.support.sent_workspaces import SentWorkspace
from tests.support.workspaces import local_workspace


@asynccontextmanager
async def task_servers(tmp_path: Path, told: list[str], **servers: McpServer) -> AsyncIterator[TaskServers]:
    """In a workspace that could be on another machine."""
    (tmp_path / "task").mkdir()
    workspace = local_workspace(tmp_path / "task", tmp_path / "outputs")
    found = TaskServers(
        servers, SentWorkspace(workspace, Counter()), Redactor(["sk-mcp-0123456789abcdef"]), told.append
    )
    try:
        yield found
    finally:
        await found.close()
        await workspace.close()


NO_ANSWER = "The MCP server fake gave no answer."
FAILS = [
    ("echo", True, '{"a": 1}'),
    ("garbage", True, "found"),
    ("key", True, "the key is [redacted]"),
    ("ask", True, "refused refused answered"),
    ("refuse", False, "The MCP server fake refused the call: no such thing."),
    (
        "no object",
        False,
        "The MCP server fake refused the call: it answered with what is no answer in its protocol.",
    ),
    ("nonsense", False, f"{NO_ANSWER} It answered with what is no answer in its protocol."),
    ("die", False, f"{NO_ANSWER} It ended with exit code 3: out of cheese."),
    ("echo", True, '{"a": 1}'),
]
HANGS = [
    ("hang", False, f"{NO_ANSWER} It did not answer within 0.2 seconds."),
]
FLOODS = [
    ("flood", False, f"{NO_ANSWER} It sent more than 100,000 messages without an answer."),
    ("bulk", False, f"{NO_ANSWER} It sent more than 32 MB without an answer."),
    ("large", False, f"{NO_ANSWER} It sent a message of more than 8 MB."),
]
NAGS = [
    ("deep", False, f"{NO_ANSWER} It sent a message that is nested too deeply."),
    ("nag", False, f"{NO_ANSWER} It asked for something more than 1,000 times."),
]


@pytest.mark.parametrize(
    ("calls", "timeout"),
    [
        (FAILS, 300),
        pytest.param(HANGS, 0.2, marks=pytest.mark.slow),
        pytest.param(FLOODS, 300, marks=pytest.mark.slow),
        pytest.param(NAGS, 300, marks=pytest.mark.slow),
    ],
)
async def test_each_call_has_an_answer_and_a_server_that_ended_is_started_again(
    tmp_path: Path, calls: list[tuple[str, bool, str]], timeout: float
) -> None:
    told: list[str] = []
    answers: list[tuple[str, ToolResult]] = []
    names = [name for name, *_ in calls]
    async with task_servers(tmp_path, told, fake=fake(*names, timeout=timeout)) as servers:
        tools = {one.name: one.called for one in await servers.learn()}
        for name in names:
            answers.append((name, await servers.call(tools[name], '{"a": 1}')))
    assert [(name, one.ok, one.text) for name, one in answers] == calls
    assert told == []


@pytest.mark.slow
async def test_a_server_that_ends_again_and_again_is_left_alone(tmp_path: Path) -> None:
    async with task_servers(tmp_path, [], fake=fake("die")) as servers:
        await servers.learn()
        texts = [(await servers.call("mcp__fake__die", "{}")).text for _ in range(4)]
    assert [text.endswith("out of cheese.") for text in texts] == [True, True, True, False]
    assert texts[-1] == "The MCP server fake gave no answer. It has ended 3 times, and is not started again."


async def test_a_server_that_cannot_be_started_is_told_of_or_ends_the_task(tmp_path: Path) -> None:
    told: list[str] = []
    lost = McpServer(command=("no-such-server-anywhere",))
    async with task_servers(tmp_path, told, lost=lost, fake=fake("echo")) as servers:
        assert [one.called for one in await servers.learn()] == ["mcp__fake__echo"]
    assert len(told) == 1
    assert told[0].startswith("The MCP server lost cannot be used: It cannot be started. ")
    (tmp_path / "again").mkdir()
    required = lost.model_copy(update={"required": True})
    async with task_servers(tmp_path / "again", [], lost=required) as servers:
        with pytest.raises(UserError, match="The MCP server lost cannot be used"):
            await servers.learn()


async def test_a_list_without_an_end_is_not_held(tmp_path: Path) -> None:
    told: list[str] = []
    page = json.dumps([tool("endless", description="x" * 100_000)])
    server = McpServer(command=(sys.executable, "-I", "-S", str(FAKE), page))
    async with task_servers(tmp_path, told, fake=server) as servers:
        assert await servers.learn() == ()
    assert told[0].startswith("The MCP server fake cannot be used: Its list of tools has more than 2 MB.")


@pytest.mark.slow
async def test_a_call_whose_arguments_are_no_object_reaches_nobody(tmp_path: Path) -> None:
    async with task_servers(tmp_path, [], fake=fake("die")) as servers:
        await servers.learn()
        assert (await servers.call("mcp__fake__die", '{"a": ')).invalid
        assert (await servers.call("mcp__fake__die", "[]")).invalid
        twice = json.dumps('{"a": 1}')  # encoded, as models slip
        assert "out of cheese" in (await servers.call("mcp__fake__die", twice)).text
