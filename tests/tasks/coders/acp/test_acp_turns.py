"""Turns of a coder that speaks the Agent Client Protocol, over a real process."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.tasks.coders.external.access import OwnAccess
from tests.support.acp import AGENT, acp_stage, update
from tests.support.external_coder import Stage
from tests.support.waiting import PATIENCE, until

Turn = list[dict[str, Any]]

DONE: Turn = [{"say": "Done."}]


def prompts(stage: Stage) -> list[tuple[str, str]]:
    """What the agent was asked, with the session in which it was."""
    return [(one["session"], one["text"]) for one in stage.heard if one["method"] == "session/prompt"]


async def test_a_turn_is_told(tmp_path: Path) -> None:
    turn: Turn = [
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
        summaries = [call.summary for call in stage.of(e.ToolCalled)]
        assert summaries == ["0 of 2 done, now: write", "hello.txt", "cat hello.txt", "false"]
        work = stage.coder.work
        assert [(one.command, one.exit_code, one.tail, one.told) for one in work.commands] == [
            ("cat hello.txt", 0, "hello", True),
            ("false", 1, "", True),
        ]
        assert (work.active, work.tried_from) == (True, 0)
        messages = stage.coder.transcript()
        assert [message["role"] for message in messages] == [
            "user",
            *(["assistant", "tool"] * 4),
            "assistant",
        ]
        assert (messages[1]["content"], messages[1]["reasoning_content"]) == ("I write it.", "Hm.")
        assert messages == [event.message for event in stage.of(e.MessageAdded)]
        assert (await stage.coder.turn("And now?")).text == "Again."
        assert prompts(stage) == [("session-0", "Write hello.txt"), ("session-0", "And now?")]
        assert (await stage.coder.turn("Anew", fresh=True)).text == "Again."
        assert prompts(stage)[-1] == ("session-1", "Anew")
        assert [event.taken_up for event in stage.of(e.AgentSession)] == [False, False]


ENDS: list[tuple[dict[str, Any], str, str]] = [
    ({"line": '{"jsonrpc":"2.0","id":2,"result":{"stopReason":"end_turn"}}'}, "text", ""),
    ({"stop": "refusal"}, "text", ""),
    ({"stop": "max_tokens"}, "token_limit", ""),
    ({"stop": "whatever"}, "broken_off", "It ended its turn for a reason that is none: whatever."),
    ({"fail": {"code": -32603, "message": "No model"}}, "broken_off", "`session/prompt`: No model (-32603)."),
    ({"die": 3}, "broken_off", "Its program ended with exit code 3: Oh no"),
]


async def test_how_turns_end(tmp_path: Path) -> None:
    before: Turn = [{"say": "So far."}, {"shout": "Oh no\n"}, {"line": "no JSON"}, {"line": "[" * 9000}]
    turns = ([*before, step] for step, _, _ in ENDS)
    async with acp_stage(tmp_path, *turns, limits={"grace": PATIENCE}) as stage:
        for _, end, told in ENDS:
            noticed = len(stage.of(e.Notice))
            outcome = await stage.coder.turn("Do it.")
            assert (outcome.end, outcome.text) == (end, "So far.")
            assert [told in one.text for one in stage.of(e.Notice)[noticed:]] == ([True] if told else [])


async def test_one_with_a_login_of_its_own_stays_in_its_session(tmp_path: Path) -> None:
    async with acp_stage(tmp_path, DONE, DONE, access=OwnAccess("m")) as stage:
        for iteration in (1, 2):
            stage.coder.strengthen(iteration)
            await stage.coder.turn("Do it.")
        assert [event.session for event in stage.of(e.AgentSession)] == ["session-0"]


async def test_after_its_death_an_agent_is_back_in_its_session(tmp_path: Path) -> None:
    async with acp_stage(tmp_path, [{"write": "a.txt", "text": "a"}, {"die": 1}], DONE) as stage:
        assert (await stage.coder.turn("Do it.")).end == "broken_off"
        assert (await stage.coder.turn("Go on.")).text == "Done."
        assert prompts(stage) == [("session-0", "Do it."), ("session-0", "Go on.")]
        assert [event.taken_up for event in stage.of(e.AgentSession)] == [False, True]
        # What it repeats of its session is not said once more.
        texts = [message["content"] for message in stage.coder.transcript() if message["role"] == "assistant"]
        assert texts == [None, "Done."]


@pytest.mark.parametrize(
    "script", [{"loads": False}, {"refuse": {"session/load": {"code": -32603, "message": "no"}}}]
)
async def test_an_agent_that_cannot_take_up_its_session_is_told_of_the_work(
    script: dict[str, Any], tmp_path: Path
) -> None:
    async with acp_stage(tmp_path, [{"die": 1}], DONE, script=script, changes="+++ b/a.txt") as stage:
        await stage.coder.turn("Do it.")
        assert (await stage.coder.turn("Go on.")).text == "Done."
        session, prompt = prompts(stage)[-1]
        assert session == "session-1"
        assert prompt.startswith("Do it.\n\nYou have worked on this already")
        assert "+++ b/a.txt" in prompt
        assert prompt.endswith("You were asked last, and do now:\n\nGo on.")


async def test_a_session_in_which_a_prompt_was_refused_is_left(tmp_path: Path) -> None:
    turn: Turn = [{"say": "So far."}, {"fail": {"code": -32603, "message": "400 no answer to call 3"}}]
    async with acp_stage(tmp_path, turn, DONE, changes="+++ b/a.txt") as stage:
        assert (await stage.coder.turn("Do it.")).end == "broken_off"
        assert (await stage.coder.turn("Go on.")).text == "Done."
        session, prompt = prompts(stage)[-1]
        assert session == "session-1"
        assert prompt.startswith("Do it.\n\nYou have worked on this already")
        assert [event.taken_up for event in stage.of(e.AgentSession)] == [False, False]


async def test_output_that_comes_in_pieces_and_a_folder_that_is_no_command(tmp_path: Path) -> None:
    """As codex and OpenCode tell them."""
    call = {"toolCallId": "a", "kind": "execute"}
    turn: Turn = [
        update(
            sessionUpdate="tool_call", **call, title="bash", status="pending", locations=[{"path": "/where"}]
        ),
        update(sessionUpdate="tool_call_update", **call, status="in_progress", rawInput={"command": "make"}),
        *(
            update(sessionUpdate="tool_call_update", **call, _meta={"terminal_output_delta": {"data": data}})
            for data in ("all ", "well\n")
        ),
        update(
            sessionUpdate="tool_call_update",
            **call,
            status="completed",
            _meta={"terminal_exit": {"exit_code": 0}},
        ),
    ]
    async with acp_stage(tmp_path, turn) as stage:
        await stage.coder.turn("Do it.")
        assert [called.summary for called in stage.of(e.ToolCalled)] == ["make"]
        (command,) = stage.coder.work.commands
        assert (command.command, command.exit_code, command.tail) == ("make", 0, "all well")


async def test_an_agent_that_never_says_a_word_is_given_up(tmp_path: Path) -> None:
    async with acp_stage(tmp_path, [{"die": 1}]) as stage:
        assert (await stage.coder.turn("Do it.")).end == "broken_off"
        with pytest.raises(UserError, match=r"The coder fake broke off 2 turns without a word\."):
            await stage.coder.turn("Go on.")


@pytest.mark.parametrize(
    ("script", "entry", "told"),
    [
        ({"version": 2}, {}, "It speaks version 2 of the Agent Client Protocol, and agentbatch version 1."),
        ({"before": [{"die": 4}]}, {}, "Its program ended with exit code 4."),
        pytest.param(
            {"before": [{"sleep": 30}]},
            {},
            "It did not answer `initialize` within 1 seconds.",
            marks=pytest.mark.slow,
        ),
        (
            {"refuse": {"session/new": {"code": -32000, "message": "Authentication required"}}},
            {},
            "It wants a login of its own (Web): log in with it yourself, and name it in --coder-login.",
        ),
        (
            {"refuse": {"session/set_mode": {"code": -32602, "message": "no such mode"}}},
            {"mode": "full"},
            "It refused `session/set_mode`: no such mode (-32602).",
        ),
        pytest.param(
            {"before": [{"long": 20_000_000}]},
            {},
            "It sent a message of more than 16 MB.",
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_what_keeps_an_agent_from_starting(
    script: dict[str, Any], entry: dict[str, Any], told: str, tmp_path: Path
) -> None:
    limits = {"start": 1.0} if "within" in told else {}
    async with acp_stage(tmp_path, DONE, script=script, entry=entry, limits=limits) as stage:
        with pytest.raises(UserError) as error:
            await stage.coder.turn("Do it.")
        assert str(error.value) == f"The coder fake could not be started: {told}"


@pytest.mark.slow
async def test_an_agent_made_with_the_protocols_own_package(tmp_path: Path) -> None:
    """All that we send is valid there, and all that it sends is understood."""
    command = [sys.executable, "-P", str(AGENT.with_name("sdk_acp_agent.py"))]
    entry = {"command": command, "mode": "full", "options": {"model": "{model}"}, "gateway": False}
    async with acp_stage(tmp_path, DONE, entry=entry) as stage:
        outcome = await stage.coder.turn("Do it.")
        assert (outcome.end, outcome.text) == ("text", "Do it. yes full model=m")
        assert [call.summary for call in stage.of(e.ToolCalled)] == [
            "0 of 1 done, now: write",
            "a.txt",
            "make test",
        ]
        assert [(one.command, one.exit_code, one.tail) for one in stage.coder.work.commands] == [
            ("make test", 0, "fine")
        ]
        (bill,) = stage.of(e.ModelCallFinished)
        assert (bill.usage.input, bill.usage.output, bill.usage.estimated, bill.told) == (7, 5, True, True)
        waiting = asyncio.ensure_future(stage.coder.turn("wait"))
        await until(lambda: len(stage.of(e.AgentSession)) == 1 and len(stage.coder.transcript()) > 8)
        await asyncio.sleep(0.5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (stage.directory / "cancelled").exists()
        assert (await stage.coder.turn("Again.")).text == "Again. yes full model=m"
        assert [(event.session, event.taken_up, event.agent) for event in stage.of(e.AgentSession)] == [
            ("s1", False, "sdk 2"),
            ("s1", True, "sdk 2"),
        ]
