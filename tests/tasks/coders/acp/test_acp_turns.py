"""Turns of a coder that speaks the Agent Client Protocol, over a real process."""

from pathlib import Path
from typing import Any

from agentbatch.runs import events as e
from tests.support.acp import acp_stage


async def test_a_turn_is_told(tmp_path: Path) -> None:
    turn: list[dict[str, Any]] = [
        {"think": "Hm."},
        {"say": "I write "},
        {"say": "it."},
        {"plan": [["write", "in_progress"], ["run", "pending"]]},
        {"write": "hello.txt", "text": "hello\n"},
        {"run": "cat hello.txt"},
        {"run": "false"},
        {"say": "Done."},
    ]
    async with acp_stage(tmp_path, turn, [{"say": "Again."}]) as stage:
        outcome = await stage.coder.turn("Write hello.txt")
        assert (outcome.end, outcome.text) == ("text", "Done.")
        assert (stage.directory / "hello.txt").read_text() == "hello\n"
        assert [call.summary for call in stage.of(e.ToolCalled)] == [
            "0 of 2 done, now: write",
            "hello.txt",
            "cat hello.txt",
            "false",
        ]
        work = stage.coder.work
        assert [(one.command, one.exit_code, one.tail, one.told) for one in work.commands] == [
            ("cat hello.txt", 0, "hello", True),
            ("false", 1, "", True),
        ]
        assert work.active
        roles = [message["role"] for message in stage.coder.transcript()]
        assert roles == ["user", *(["assistant", "tool"] * 4), "assistant"]
        assert stage.coder.transcript()[1]["content"] == "I write it."
        assert stage.coder.transcript()[1]["reasoning_content"] == "Hm."
        assert (await stage.coder.turn("And now?")).text == "Again."
    asked = [(one["method"], one["session"]) for one in stage.heard]
    assert asked == [("session/new", "session-0")] + [("session/prompt", "session-0")] * 2
