"""Turns of a coder that is a command, each a run of a real process."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.runs import events as e
from tests.support.command_coder import command_stage, runs
from tests.support.programs import alive

Run = list[dict[str, Any]]


def init(session: str) -> dict[str, Any]:
    return {
        "line": {"type": "system", "subtype": "init", "session_id": session, "claude_code_version": "2.1"}
    }


def says(text: str) -> dict[str, Any]:
    return {"line": {"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}}}


def ends(subtype: str = "success", **more: Any) -> dict[str, Any]:
    return {"line": {"type": "result", "subtype": subtype, "is_error": subtype != "success", **more}}


def calls(name: str, tool: str, **given: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": name, "name": tool, "input": given}
    return {"line": {"type": "assistant", "message": {"content": [block]}}}


def gives(name: str, text: str, *, failed: bool = False) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": name, "content": text, "is_error": failed}
    return {"line": {"type": "user", "message": {"content": [block]}}}


WHOLE: Run = [
    init("s-1"),
    says("I write it."),
    calls("1", "Write", file_path="hello.txt", content="hello"),
    {"write": "hello.txt", "text": "hello"},
    gives("1", "written"),
    calls("2", "Bash", command="cat hello.txt"),
    gives("2", "hello"),
    calls("3", "Bash", command="false"),
    gives("3", "Exit code 1\nOh.", failed=True),
    says("Done."),
    ends(total_cost_usd=0.5, usage={"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 2}),
]
AGAIN: Run = [init("s-2"), says("Again."), ends(total_cost_usd=0.25)]


async def test_turns_are_told_and_go_on_in_one_session(tmp_path: Path) -> None:
    async with command_stage(tmp_path, WHOLE, AGAIN) as stage:
        outcome = await stage.coder.turn("Write hello.txt")
        assert (outcome.end, outcome.text) == ("text", "Done.")
        assert (stage.directory / "hello.txt").read_text() == "hello"
        work = stage.coder.work
        assert [(one.command, one.exit_code, one.told) for one in work.commands] == [
            ("cat hello.txt", 0, True),
            ("false", 1, True),
        ]
        assert (await stage.coder.turn("And now?")).text == "Again."
        assert (await stage.coder.turn("Anew", fresh=True)).text == "Again."
        assert runs(stage) == [
            ([], "Write hello.txt"),
            (["--resume", "s-1"], "And now?"),
            ([], "Anew"),
        ]
        sessions = [(one.session, one.taken_up, one.agent) for one in stage.of(e.AgentSession)]
        assert sessions == [("s-1", False, "2.1"), ("s-2", False, "2.1"), ("s-2", False, "2.1")]
        bills = [(bill.cost, bill.usage.input, bill.usage.output) for bill in stage.of(e.ModelCallFinished)]
        assert bills == [(0.5, 10, 2), (0.25, 0, 0), (0.25, 0, 0)]


ENDS: dict[str, tuple[Run, str, str]] = {
    "an exit code": ([says("x"), ends(), {"exit": 1}], "text", ""),
    "a death": (
        [says("x"), {"error": "\x1b[31mno such model"}, {"exit": 3}],
        "broken_off",
        "exit code 3 and did not say that its turn was over: no such model",
    ),
    "a failure": (
        [says("x"), ends("error_during_execution", result="API Error: 402")],
        "broken_off",
        "Its turn failed: API Error: 402",
    ),
    "it stays": ([says("x"), ends(), {"sleep": 600}], "text", ""),
    "it does not read": ([{"deaf": True}, says("x"), ends()], "text", ""),
    "silence": ([says("x"), {"sleep": 600}], "silent", "Nothing was heard of it"),
    "what is no JSON, too deep, too long": (
        [
            {"raw": '\xff\xfe{\n\n[1]\nnull\n{"type": 3}\n'},
            {"raw": "[" * 99_999 + "\n"},
            {"raw": "x", "times": 9 << 20},
            {"raw": "\n"},
            says("x"),
            ends(),
        ],
        "text",
        "",
    ),
}


@pytest.mark.parametrize("case", ENDS)
async def test_how_a_turn_ends(case: str, tmp_path: Path) -> None:
    run, end, told = ENDS[case]
    limits = {"linger": 0.2, **({"silence": 1.0} if end == "silent" else {})}
    async with command_stage(tmp_path, run, limits=limits) as stage:
        outcome = await stage.coder.turn("p" * 100_000)
        assert outcome.end == end
        assert outcome.text == "x" or end == "silent"  # on a busy machine it may not have begun to speak
        assert [told in text for text in stage.notices] == ([True] if told else [])


async def test_a_prompt_that_names_a_place_is_left_as_it_is(tmp_path: Path) -> None:
    """And what of the entry names the servers of tools has them, none here."""
    files = {"mcp.json": '{"mcpServers": {mcp_servers}}'}
    async with command_stage(tmp_path, AGAIN, arguments=["{prompt}"], files=files) as stage:
        await stage.coder.turn("Say {mcp_servers} and {token}.")
        assert runs(stage) == [(["Say {mcp_servers} and {token}."], "")]
        assert json.loads((stage.home / "mcp.json").read_text()) == {"mcpServers": {}}


async def test_a_session_that_the_agent_has_lost_is_begun_anew_in_the_same_turn(tmp_path: Path) -> None:
    lost: Run = [{"error": "No conversation found"}, ends("error_during_execution"), {"exit": 1}]
    async with command_stage(tmp_path, WHOLE, lost, AGAIN, changes="+hello") as stage:
        await stage.coder.turn("Write hello.txt")
        outcome = await stage.coder.turn("Mend it.")
        assert (outcome.end, outcome.text) == ("text", "Again.")
        arguments, prompt = runs(stage)[2]
        assert arguments == []
        assert all(part in prompt for part in ("Do it.", "Mend it.", "+hello"))


async def test_an_agent_without_sessions_is_told_all_each_time(tmp_path: Path) -> None:
    async with command_stage(tmp_path, [says("x"), ends()], resume=None, changes="+hello") as stage:
        await stage.coder.turn("Do it.")
        await stage.coder.turn("Mend it.")
        assert all(part in runs(stage)[1][1] for part in ("Do it.", "Mend it.", "+hello"))


async def test_an_agent_that_goes_on_with_its_latest_session_names_none(tmp_path: Path) -> None:
    run: Run = [{"raw": "I did it.\n"}]
    async with command_stage(tmp_path, run, resume=("--continue",), reader="plain") as stage:
        assert (await stage.coder.turn("Do it.")).text == "I did it."
        await stage.coder.turn("Mend it.")
        assert runs(stage) == [([], "Do it."), (["--continue"], "Mend it.")]
        (session,) = stage.of(e.AgentSession)
        assert (session.late, session.taken_up) == (True, False), "its calls were told before"


async def test_a_session_that_looks_like_an_option_is_not_gone_on_with(tmp_path: Path) -> None:
    async with command_stage(tmp_path, [init("--dangerous"), says("x"), ends()]) as stage:
        await stage.coder.turn("Do it.")
        await stage.coder.turn("Mend it.")
        assert [arguments for arguments, _ in runs(stage)] == [[], []]
        assert "no usable id" in stage.notices[0]


async def test_who_never_pauses_is_bounded(tmp_path: Path) -> None:
    """In calls, in sessions that it names, and in what it says."""
    named = [init(f"s-{number}") for number in range(9)]
    endless = {"raw": "x" * 999 + "\n", "times": 99_999}
    async with command_stage(tmp_path, [*named, says("x"), endless], limits={"received": 1 << 20}) as stage:
        outcome = await stage.coder.turn("Do it.")
        assert outcome.end == "step_limit"
        assert len(stage.of(e.AgentSession)) == 3
        assert "more than 1 MB in one turn" in stage.notices[-1]
    several = [calls(str(number), "Bash", command="x")["line"] for number in range(200)]
    many = {"raw": "".join(json.dumps(one) + "\n" for one in several), "times": 50}
    async with command_stage(tmp_path / "b", [many], limits={"calls": 100}) as stage:
        assert (await stage.coder.turn("Do it.")).end == "step_limit"


async def test_silent_deaths_are_not_tried_for_ever(tmp_path: Path) -> None:
    async with command_stage(tmp_path, [{"error": "Oh no"}, {"exit": 9}]) as stage:
        assert (await stage.coder.turn("Do it.")).end == "broken_off"
        with pytest.raises(UserError, match="broke off 2 turns without a word"):
            await stage.coder.turn("Do it.")


async def test_nothing_that_it_has_started_outlives_a_turn(tmp_path: Path) -> None:
    word = f"left-by-{tmp_path.name}"
    async with command_stage(tmp_path, [{"daemon": word}, says("x"), ends()]) as stage:
        await stage.coder.turn("Do it.")
        assert alive(word) == []


async def test_what_it_says_is_without_keys(tmp_path: Path) -> None:
    run: Run = [
        init("s"),
        says("sesame"),
        calls("1", "Bash", command="echo sesame"),
        gives("1", "sesame"),
        ends(),
    ]
    async with command_stage(tmp_path, run, redact=lambda text: text.replace("sesame", "[]")) as stage:
        outcome = await stage.coder.turn("Do it.")
        assert outcome.text == "[]"
        assert "sesame" not in str([event.model_dump() for event in stage.events])
