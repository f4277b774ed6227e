"""Tools of servers in the judge's hands: those alone that the user has named, in a copy, and no evidence."""

from pathlib import Path

import pytest

from agentbatch.model.reply import Reply, ToolCall
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckRunner
from agentbatch.tasks.evaluator.judging.hands import NO_EVIDENCE, Hands
from tests.support.mcp_servers import fake
from tests.support.workspaces import local_workspace

pytestmark = pytest.mark.slow


async def test_what_a_server_says_to_the_judge_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    redact = Redactor(["sk-mcp-0123456789abcdef"])
    workspace = local_workspace(tmp_path / "work", tmp_path / "outputs", redact=redact)
    events: list[e.Event] = []
    servers = {
        "named": fake("echo", "key", "touch", evaluator=["key", "touch"], required=True),
        "other": fake("echo"),
    }
    hands = Hands(CheckRunner("t", events.append, redact, workspace), 5, (), servers)
    try:
        await hands.ready()
        names = [tool["function"]["name"] for tool in hands.tools]
        assert names == ["bash", "read_file", "mcp__named__key", "mcp__named__touch"]
        calls = (
            ToolCall("a", names[2], "{}"),
            ToolCall("b", names[3], "{}"),
            ToolCall("c", "mcp__named__echo", "{}"),
        )
        _, key, _, unknown = await hands.answer(Reply("", calls))
    finally:
        await hands.close()
    assert key["content"] == f"{NO_EVIDENCE}\nthe key is [redacted]"
    assert unknown["content"].startswith("There is no tool 'mcp__named__echo'.")
    assert (hands.runs, hands.used) == ([], False)
    assert not (tmp_path / "work/touched").exists()
    shown = [event.command for event in events if isinstance(event, e.CheckFinished)]
    assert shown == ["mcp__named__key {}", "mcp__named__touch {}"]


async def test_a_server_that_the_judge_cannot_have_is_told(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    workspace = local_workspace(tmp_path / "work", tmp_path / "outputs")
    events: list[e.Event] = []
    lost = fake("echo", evaluator=["echo"], required=True).model_copy(update={"command": ("no-such-server",)})
    hands = Hands(CheckRunner("t", events.append, Redactor([]), workspace), 5, (), {"lost": lost})
    try:
        await hands.ready()
        assert [tool["function"]["name"] for tool in hands.tools] == ["bash", "read_file"]
    finally:
        await hands.close()
    (notice,) = [event.text for event in events if isinstance(event, e.Notice)]
    assert notice.startswith("The MCP server lost cannot be used: It cannot be started.")
