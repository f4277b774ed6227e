"""What agents' updates say: a table. The shapes are those of the agents and versions named."""

from typing import Any

import pytest

from agentbatch.tasks.coders.acp.permission import answer_permission
from agentbatch.tasks.coders.acp.updates import read_quota, read_update, read_usage
from agentbatch.tasks.coders.external.updates.update import (
    CostUpdate,
    MessageChunk,
    PlanUpdate,
    ToolCallUpdate,
    UsageUpdate,
    cut,
)


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({"sessionUpdate": "agent_message_chunk", "content": text("Hi")}, MessageChunk("Hi")),
        ({"sessionUpdate": "agent_thought_chunk", "content": text("Hm")}, MessageChunk("Hm", thought=True)),
        ({"sessionUpdate": "agent_message_chunk", "content": text("")}, None),
        (
            {"sessionUpdate": "agent_message_chunk", "content": {"type": "image", "data": "x"}},
            MessageChunk("[image]"),
        ),
        (
            {
                "sessionUpdate": "agent_message_chunk",
                "content": {"type": "resource_link", "uri": "file:///a"},
            },
            MessageChunk("file:///a"),
        ),
        ({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": 3}}, None),
        ({"sessionUpdate": "agent_message_chunk", "content": None}, None),
        ({"sessionUpdate": "user_message_chunk", "content": text("Do it.")}, None),
        ({"sessionUpdate": "available_commands_update", "availableCommands": []}, None),
        ({"sessionUpdate": "current_mode_update", "currentModeId": "x"}, None),
        ({"sessionUpdate": "config_option_update", "configOptions": []}, None),
        ({"sessionUpdate": "session_info_update", "title": "x"}, None),
        ({"sessionUpdate": ["x"]}, None),
        ({}, None),
        (
            {"sessionUpdate": "plan", "entries": [{"content": "a", "status": "completed"}, "x", {}]},
            PlanUpdate((("a", "completed"), ("", ""))),
        ),
        ({"sessionUpdate": "plan", "entries": None}, PlanUpdate(())),
        (
            {
                "sessionUpdate": "usage_update",
                "used": 5,
                "size": 9,
                "cost": {"amount": 0.5, "currency": "USD"},
            },
            CostUpdate(0.5),
        ),
        ({"sessionUpdate": "usage_update", "used": 5, "size": 9}, None),
        ({"sessionUpdate": "usage_update", "cost": {"amount": 0.5, "currency": "EUR"}}, None),
        ({"sessionUpdate": "usage_update", "cost": {"amount": float("inf"), "currency": "USD"}}, None),
        ({"sessionUpdate": "usage_update", "cost": {"amount": -1, "currency": "USD"}}, None),
        ({"sessionUpdate": "tool_call", "toolCallId": ""}, None),
        ({"sessionUpdate": "tool_call", "title": "no id"}, None),
    ],
)
def test_what_an_update_says(update: dict[str, Any], told: object) -> None:
    assert read_update(update) == told


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        # OpenCode 1.18
        (
            {
                "kind": "execute", "status": "completed", "title": "List files",
                "rawInput": {"command": "ls", "description": "List files"},
                "content": [{"type": "content", "content": text("a\n")}],
                "rawOutput": {"output": "a\n", "metadata": {"exit": 0, "output": "a\n"}},
            },
            {"command": "ls", "exit_code": 0, "output": "a\n"},
        ),
        # codex-acp 2.6
        (
            {
                "kind": "execute", "status": "failed", "rawInput": {"command": ["/bin/bash", "-lc", "make all"]},
                "rawOutput": {"exit_code": 2, "formatted_output": "no rule", "stdout": "no rule"},
            },
            {"command": "make all", "exit_code": 2, "output": "no rule"},
        ),
        ({"kind": "execute", "_meta": {"terminal_exit": {"exit_code": 3}}}, {"exit_code": 3}),
        ({"kind": "execute", "rawInput": {"cmd": ["ls", "-l"]}}, {"command": "ls -l"}),
        # claude-agent-acp 0.49
        (
            {"kind": "execute", "title": "`make`", "status": "failed", "rawOutput": "Exit code 3\nno rule"},
            {"command": "make", "exit_code": 3, "output": "Exit code 3\nno rule"},
        ),
        (
            {"content": [{"type": "content", "content": text("```\nno rule\n```")}], "rawOutput": "Exit code 3\nno"},
            {"exit_code": 3, "output": "```\nno rule\n```"},
        ),
        # qwen 0.15
        (
            {"content": [{"type": "content", "content": text("Output: x\nError: (none)\nExit Code: 4\nSignal: 9")}]},
            {"exit_code": 4, "output": "Output: x\nError: (none)\nExit Code: 4\nSignal: 9"},
        ),
        # copilot 1.0.102
        ({"rawOutput": "no rule\n<shellId: 0 completed with exit code 2>"}, {"exit_code": 2}),
        ({"rawOutput": "Exit code 3\nExit code: 0"}, {"exit_code": 3}),
        ({"rawOutput": "Output: \nExit Code: 0\nExit Code: 4"}, {"exit_code": 4}),
        ({"content": [{"type": "content", "content": text("it exited with code 5")}]}, {"exit_code": None}),
        ({"rawOutput": {"exit_code": True}}, {"exit_code": None}),
        ({"rawOutput": {"exit_code": 10**30}}, {"exit_code": None}),
        ({"rawOutput": {"exit_code": "0"}}, {"exit_code": None}),
        ({"rawInput": {"command": [1, 2]}}, {"command": None}),
        ({"rawInput": {"command": "  "}}, {"command": None}),
        ({"rawInput": "ls"}, {"command": None, "arguments": None}),
        ({"title": "`a` and `b`"}, {"command": None}),
        # tools of servers: codex-acp 2.6, qwen 0.24, copilot 1.0.102
        (
            {
                "kind": "execute", "title": "mcp.notes.add", "status": "completed",
                "rawInput": {"server": "notes", "tool": "add", "arguments": {"a": 2}},
                "rawOutput": {"result": {"content": [text("the sum"), text("is 2")], "_meta": None}, "error": None},
            },
            {"title": "mcp.notes.add", "command": None, "output": "the sum\nis 2"},
        ),
        ({"rawOutput": {"result": None, "error": {"message": "no cheese"}}}, {"output": "no cheese"}),
        (
            {"title": "add (notes MCP Server): {}", "_meta": {"toolName": "mcp__notes__add", "provenance": "mcp"}},
            {"name": "mcp__notes__add"},
        ),
        ({"rawOutput": {"message": "No such tool.", "code": "failure"}}, {"output": "No such tool."}),
        ({"title": "Preparing file…", "name": "Write"}, {"name": "Write"}),
        ({"_meta": {"goose": {"toolCall": 5}}, "name": 5, "rawOutput": [7]}, {"name": None, "output": None}),
        # gemini 0.61
        (
            {"toolCallId": "run_shell_command__c1", "kind": "execute", "title": "make " + "x" * 900, "content": []},
            {"command": "make " + "x" * 900, "name": "run_shell_command", "output": ""},
        ),
        ({"toolCallId": "run_shell_command-1796051733500-1", "title": "ls"}, {"command": "ls"}),
        ({"toolCallId": "mcp_notes_add__c2", "title": "add (notes)"}, {"command": None, "name": "mcp_notes_add"}),
        ({"toolCallId": "toolu_01", "title": "Terminal", "kind": "execute"}, {"command": None, "name": None}),
        # edits
        (
            {
                "kind": "edit",
                "content": [{"type": "diff", "path": "/w/a.py", "oldText": "x\ny", "newText": "z"}],
                "locations": [{"path": "/w/a.py", "line": 3}, {"path": "/w/b.py"}, {"line": 1}, 7],
            },
            {"paths": ("/w/a.py", "/w/b.py"), "output": "/w/a.py\n- x\n- y\n+ z"},
        ),
        ({"content": [{"type": "diff", "newText": "z"}, {"type": "terminal", "terminalId": "t"}]}, {"output": None}),
        ({"status": "cancelled", "kind": 5, "title": []}, {"status": "cancelled", "kind": None, "title": None}),
    ],
)  # fmt: skip
def test_what_a_call_says(fields: dict[str, Any], told: dict[str, Any]) -> None:
    update = read_update({"sessionUpdate": "tool_call_update", "toolCallId": "a", **fields})
    assert isinstance(update, ToolCallUpdate)
    assert {name: getattr(update, name) for name in told} == told
    assert not update.begins


def test_goose_tells_what_a_call_is_by_the_name_of_its_tool_alone() -> None:
    meta = {"goose": {"toolCall": {"toolName": "shell", "extensionName": "developer"}}}
    told = {"toolCallId": "a", "title": "shell · make", "rawInput": {"command": "make"}, "_meta": meta}
    begun = read_update({"sessionUpdate": "tool_call", **told})
    over = read_update({"sessionUpdate": "tool_call_update", "toolCallId": "a", "status": "completed"})
    assert isinstance(begun, ToolCallUpdate)
    assert isinstance(over, ToolCallUpdate)
    assert (begun.kind, begun.command, over.kind) == ("execute", "make", None)


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (
            {
                "inputTokens": 10,
                "outputTokens": 5,
                "cachedReadTokens": 3,
                "cachedWriteTokens": 2,
                "totalTokens": 20,
            },
            UsageUpdate(15, 5, 3, 2),
        ),
        ({"inputTokens": -1, "outputTokens": "5", "cachedReadTokens": 10**20}, UsageUpdate(0, 0)),
        (None, None),
        ([], None),
    ],
)
def test_what_a_turn_has_taken(usage: object, told: UsageUpdate | None) -> None:
    assert read_usage(usage) == told


@pytest.mark.parametrize(
    ("meta", "told"),
    [
        (
            {"quota": {"token_count": {"input_tokens": 35208, "output_tokens": 49}, "model_usage": []}},
            UsageUpdate(35208, 49),
        ),
        ({"quota": {"token_count": {"input_tokens": "1"}}}, UsageUpdate(0, 0)),
        ({"quota": [1]}, None),
        ({"quota": {"token_count": None}}, None),
        (None, None),
    ],
)
def test_what_a_turn_of_gemini_has_taken(meta: object, told: UsageUpdate | None) -> None:
    assert read_quota(meta) == told


@pytest.mark.parametrize(
    ("options", "allow", "chosen"),
    [
        ([("a", "reject_once"), ("b", "allow_always"), ("c", "allow_once")], True, "c"),
        ([("b", "allow_always"), ("n", "reject_once")], True, "b"),
        ([("n", "reject_once"), ("o", "ask_me")], True, None),
        ([("c", "allow_once"), ("m", "reject_always"), ("n", "reject_once")], False, "n"),
        ([("m", "reject_always")], False, "m"),
        ([("c", "allow_once")], False, None),
        ([], True, None),
    ],
)
def test_who_asks_for_leave_is_answered(
    options: list[tuple[str, str]], allow: bool, chosen: str | None
) -> None:
    given = {"options": [{"optionId": name, "kind": kind} for name, kind in options]}
    outcome = {"outcome": "selected", "optionId": chosen} if chosen else {"outcome": "cancelled"}
    assert answer_permission(given, allow=allow) == {"outcome": outcome}


@pytest.mark.parametrize(
    "options", [None, "x", [None, 3, {"kind": "allow_once"}, {"optionId": 3, "kind": "allow_once"}]]
)
def test_options_that_are_none(options: object) -> None:
    assert answer_permission({"options": options}, allow=True) == {"outcome": {"outcome": "cancelled"}}


def test_a_long_text_keeps_its_head_and_its_tail() -> None:
    assert cut("a" * 50 + "b" * 50, 20) == "a" * 10 + "\n[80 characters left out]\n" + "b" * 10
    assert cut("short", 20) == "short"
