"""What an agent may do that is not to be trusted: it is bounded, answered at once, ended with all that it started."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.spending.budget import BudgetExhausted
from agentbatch.tasks.coders.acp.transport import MAX_MESSAGE, parsed
from agentbatch.tasks.coders.external.limits import MAX_WEIGHT
from agentbatch.tasks.coders.external.program import ModelAddress
from agentbatch.tasks.coders.external.updates.record import MAX_OPEN, NOT_TOLD
from tests.support.acp import acp_stage, update
from tests.support.programs import standing_in
from tests.support.waiting import until

Turn = list[dict[str, Any]]


ASKS = json.dumps({"id": "a", "method": "session/request_permission", "params": {"toolCall": {"title": "x"}}})
LEFT = {"spawn": "echo $$ > pid; exec sleep 600"}


@pytest.mark.parametrize(
    ("sandbox", "options", "chosen"),
    [
        ("bubblewrap", [["a", "reject_once"], ["b", "allow_always"], ["yes", "allow_once"]], "yes"),
        ("none", [["yes", "allow_once"], ["never", "reject_always"], ["no", "reject_once"]], "no"),
    ],
)
async def test_leave_is_given_inside_the_sandbox_and_refused_outside(
    sandbox: str, options: list[list[str]], chosen: str | None, tmp_path: Path
) -> None:
    turn: Turn = [
        {"ask": "touch x", "then": [{"run": "touch x"}], "options": options},
        {"ask": "y", "then": []},
    ]
    async with acp_stage(tmp_path, turn, sandbox=sandbox) as stage:
        await stage.coder.turn("Do it.")
        answer = next(one["answer"] for one in stage.heard if one["method"] == "permission")["result"][
            "outcome"
        ]
        assert answer == ({"outcome": "selected", "optionId": chosen} if chosen else {"outcome": "cancelled"})
        assert (stage.directory / "x").exists() == (chosen in ("yes", "always"))
        told = ["fake: It asked for leave (touch x) and was refused, since no sandbox keeps it inside."]
        assert [notice.text for notice in stage.of(e.Notice)] == (told if sandbox == "none" else [])


@pytest.mark.parametrize("method", ["fs/read_text_file", "elicitation/create"])
async def test_what_is_not_offered_is_refused_at_once(method: str, tmp_path: Path) -> None:
    turn: Turn = [
        {"request": method, "params": {"path": "/etc/passwd", "message": "Which?"}},
        {"say": "Which port?"},
    ]
    async with acp_stage(tmp_path, turn) as stage:
        assert (await stage.coder.turn("Do it.")).text == "Which port?"
        assert [one["answer"]["error"]["code"] for one in stage.heard if one["method"] == "asked"] == [-32601]


async def test_a_cancelled_turn_leaves_nothing_alive(tmp_path: Path) -> None:
    works = update(
        sessionUpdate="tool_call",
        toolCallId="c",
        title="It works",
        kind="execute",
        status="in_progress",
        rawInput={"command": "make"},
    )
    first = [LEFT, {"say": "I wait."}, works, {"sleep": 600}]
    async with acp_stage(tmp_path, first, [{"say": "Back."}]) as stage:
        pid = stage.directory / "pid"
        turn = asyncio.ensure_future(stage.coder.turn("Do it."))
        await until(lambda: stage.of(e.ToolCalled) and pid.exists() and pid.read_text())
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert standing_in(stage.directory) == []
        assert stage.heard[-1]["method"] == "session/cancel"
        assert [message["content"] for message in stage.coder.transcript()] == ["Do it.", "I wait.", NOT_TOLD]
        assert (await stage.coder.turn("Go on.")).text == "Back."


@pytest.mark.slow
async def test_a_deaf_agent_is_ended_all_the_same(tmp_path: Path) -> None:
    turn: Turn = [{"say": "I wait."}, {"sleep": 600}]
    async with acp_stage(tmp_path, turn, script={"deaf": True}, limits={"grace": 0.1}) as stage:
        running = asyncio.ensure_future(stage.coder.turn("Do it."))
        await until(lambda: len(stage.heard) > 1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


@pytest.mark.parametrize(
    ("turn", "limits", "end", "told"),
    [
        ([{"sleep": 600}], {"silence": 0.4}, "silent", "Nothing was heard of it for 0 minutes."),
        (
            [{"endless": {"run": "true"}}],
            {"calls": 20},
            "step_limit",
            "It made more than 20 calls in one turn.",
        ),
        (
            [{"endless": {"say": "x" * 10_000}}],
            {"received": 3 << 20},
            "step_limit",
            "It said more than 3 MB in one turn.",
        ),
        pytest.param(
            [{"endless": {"line": "{}"}}],
            {"messages": 500},
            "step_limit",
            "It sent more than 500 messages in one turn.",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            [{"endless": {"line": ASKS}}],
            {"requests": 50},
            "step_limit",
            "It made more than 50 requests in one turn.",
            marks=pytest.mark.slow,
        ),
        (
            [{"stop_reading": 1}, {"endless": {"line": ASKS}}],
            {"unread": 0.3},
            "broken_off",
            "It did not read what it was told within 0 seconds.",
        ),
    ],
)
async def test_a_turn_without_an_end_is_ended(
    turn: Turn, limits: dict[str, Any], end: str, told: str, tmp_path: Path
) -> None:
    async with acp_stage(tmp_path, [LEFT, *turn], limits={"grace": 0.1, "poll": 0.1, **limits}) as stage:
        outcome = await stage.coder.turn("Do it.")
        assert (outcome.end, [notice.text for notice in stage.of(e.Notice)]) == (end, [f"fake: {told}"])
        assert standing_in(stage.directory) == []


@pytest.mark.slow
async def test_who_floods_before_its_first_turn_is_not_waited_for(tmp_path: Path) -> None:
    script = {"before": [{"endless": {"line": ASKS}}]}
    async with acp_stage(tmp_path, [], script=script, limits={"requests": 50}) as stage:
        with pytest.raises(UserError, match="could not be started: It made more than 50 requests"):
            await stage.coder.turn("Do it.")


@pytest.mark.slow
async def test_a_prompt_that_is_not_read_is_not_waited_for(tmp_path: Path) -> None:
    """Nor is anything else that it is told."""
    async with acp_stage(tmp_path, [{"stop_reading": 1}, {"line": ASKS}], limits={"unread": 0.3}) as stage:
        await stage.coder.turn("Do it.")
        assert (await stage.coder.turn("x" * 2_000_000)).end == "broken_off"
        assert stage.notices == ["fake: It did not read what it was told within 0 seconds."]


@pytest.mark.slow
async def test_a_hundred_megabytes(tmp_path: Path) -> None:
    """In pieces, in one message, and as a command's output: the end is known, and little is kept."""
    big = {"run": "head -c 9000000 /dev/zero | tr '\\0' x"}
    turn: Turn = [{"flood": 45_000_000}, {"long_update": 46_000_000}, big, {"say": "End."}]
    async with acp_stage(tmp_path, turn) as stage:
        assert (await stage.coder.turn("Do it.")).text == "End."
        kept = sum(len(event.model_dump_json()) for event in stage.events)
        assert kept < 400_000
        (command,) = stage.coder.work.commands
        assert (command.exit_code, len(command.tail)) == (0, 4000)


async def test_lies_and_disorder(tmp_path: Path) -> None:
    """Ids that come twice, ends without a beginning, calls that never end, what is said after the end."""
    call = {"sessionUpdate": "tool_call", "toolCallId": "a", "kind": "execute"}
    more = {"sessionUpdate": "tool_call_update", "toolCallId": "a"}
    ran = {"rawInput": {"command": "make"}, "status": "completed"}
    turn: Turn = [
        update(**more, status="completed"),
        update(**{**more, "toolCallId": "never"}, status="completed", content=[]),
        update(**call, title="`make`", status="in_progress"),
        update(**more, status="completed", rawOutput={"exit_code": 2}),
        update(**more, status="completed", rawOutput={"exit_code": 0}),
        update(**call, **ran, rawOutput={"exit_code": 0}),
        update(**{**call, "toolCallId": "open"}, title="open", status="in_progress"),
        update(
            sessionUpdate="tool_call", toolCallId=7, title=["?"], kind={}, status=1, locations="x", content={}
        ),
        update(sessionUpdate="what_comes_next", x=1),
        {"line": json.dumps({"method": "session/update", "params": {"sessionId": "other", "update": call}})},
        {"line": json.dumps({"method": "session/update", "params": ["x"]})},
        {"line": json.dumps({"id": {}, "method": "session/request_permission"})},
        {"line": json.dumps({"id": 77, "result": {}})},
        {"line": json.dumps({"id": "2", "error": "no"})},
        {"say": "Done: all the tests pass."},
    ]
    late = {"after_the_end": [{"say": "And one more thing."}, {"run": "true"}]}
    async with acp_stage(tmp_path, turn, [{"say": "Yes."}], script=late) as stage:
        outcome = await stage.coder.turn("Do it.")
        assert (outcome.end, outcome.text) == ("text", "Done: all the tests pass.")
        assert [(one.command, one.exit_code) for one in stage.coder.work.commands] == [
            ("make", 2),
            ("make", 0),
        ]
        assert [(one.call_id, one.ok) for one in stage.of(e.ToolFinished)] == [
            ("call-1", False),
            ("call-2", True),
            ("call-3", False),
        ]
        assert (await stage.coder.turn("Sure?")).text.endswith("Yes.")


@pytest.mark.slow
async def test_calls_that_never_end_do_not_pile_up(tmp_path: Path) -> None:
    starts = [
        update(
            sessionUpdate="tool_call", toolCallId=f"c{n}", title=f"t{n}", kind="read", status="in_progress"
        )
        for n in range(MAX_OPEN + 5)
    ]
    async with acp_stage(tmp_path, [*starts, {"say": "End."}]) as stage:
        await stage.coder.turn("Do it.")
        names = [call.summary for call in stage.of(e.ToolCalled)]
        assert names == [f"t{n}" for n in range(MAX_OPEN + 5)]
        roles = [message["role"] for message in stage.coder.transcript()]
        assert roles == ["user", *(["assistant", "tool"] * (MAX_OPEN + 5)), "assistant"]


async def test_what_it_says_is_kept_without_keys_and_can_be_written_down(tmp_path: Path) -> None:
    key = "sk-verysecretverysecret"
    half = "\ud800"
    call = {
        "sessionUpdate": "tool_call",
        "toolCallId": "a",
        "title": key,
        "kind": "execute",
        "status": "completed",
    }
    given = {"rawInput": {"command": f"echo {key}{half}"}, "rawOutput": {"exit_code": 0, "stdout": key}}
    turn: Turn = [
        {"think": key},
        update(**call, **given),
        {"plan": [[key, "pending"]]},
        {"say": f"{key}{half}\x1b[2J"},
    ]
    redact = Redactor([key])
    async with acp_stage(tmp_path, turn, redact=redact) as stage:
        outcome = await stage.coder.turn("Do it.")
        assert outcome.text == "[redacted]?\x1b[2J"
        written = "".join(event.model_dump_json() for event in stage.events)
        assert key not in written
        assert key not in json.dumps([list(map(dict, stage.coder.transcript())), str(stage.coder.work)])


def test_what_would_take_too_much_memory_is_left_out() -> None:
    """`[],[],[]...` takes twenty times its length."""
    line = b'{"method":"session/update","params":{"x":[' + b"[]," * (MAX_WEIGHT // 100) + b"1]}}"
    assert len(line) < MAX_MESSAGE
    assert parsed(line) is None
    assert parsed(line.replace(b"[],", b"", MAX_WEIGHT // 100)) is not None


async def test_mode_and_options_are_set_before_the_first_prompt(tmp_path: Path) -> None:
    entry = {
        "mode": "full-access",
        "options": {"model": "x-{model}", "web": "false"},
        "env": {"FAKE_MODEL": "{model}"},
    }
    entry["files"] = {".fake/config": "{home} {directory}"}
    new = {"configOptions": [{"id": "web", "type": "boolean", "currentValue": True}, {"id": 3}, None]}
    async with acp_stage(tmp_path, [{"environment": "env.json"}], entry=entry, script={"new": new}) as stage:
        await stage.coder.turn("Do it.")
        asked = [(one["method"], one.get("params", {})) for one in stage.heard]
        assert [method for method, _ in asked] == [
            "session/new",
            "session/set_mode",
            "session/set_config_option",
            "session/set_config_option",
            "session/prompt",
        ]
        assert asked[1][1]["modeId"] == "full-access"
        assert (asked[2][1]["configId"], asked[2][1]["value"]) == ("model", "x-m")
        assert asked[3][1]["value"] is False
        environment = json.loads((stage.directory / "env.json").read_text())
        assert (environment["FAKE_MODEL"], environment["HOME"]) == ("m", str(stage.home))
        assert (stage.home / ".fake/config").read_text() == f"{stage.home} {stage.directory}"


@dataclass
class Held:
    """A way to a model that takes its time, or answers no more."""

    busy: bool = False
    ended: BudgetExhausted | None = None
    model: str = "m"
    counted: bool = True

    def model_address(self) -> ModelAddress:
        return ModelAddress(self.model)

    def use(self, model: str) -> bool:
        return False

    def close(self) -> None:
        self.busy = False


async def test_who_waits_for_its_model_may_be_silent(tmp_path: Path) -> None:
    limits = {"silence": 0.1, "poll": 0.05}
    async with acp_stage(tmp_path, [{"sleep": 1.0}], limits=limits, access=Held(busy=True)) as stage:
        assert (await stage.coder.turn("Do it.")).end == "text"


async def test_who_goes_on_without_its_model_is_ended(tmp_path: Path) -> None:
    held = Held(ended=BudgetExhausted("task", "The task's budget is used up."))
    limits = {"refused": 0.1, "poll": 0.05, "grace": 0.1}
    async with acp_stage(tmp_path, [LEFT, {"sleep": 600}], limits=limits, access=held) as stage:
        with pytest.raises(BudgetExhausted):
            await stage.coder.turn("Do it.")
        assert standing_in(stage.directory) == []


async def test_between_two_turns_nothing_of_it_moves(tmp_path: Path) -> None:
    """Its work is looked at meanwhile."""
    busy = {"spawn": "while :; do echo x >> log; sleep 0.01; done"}
    moves = {"run": "n=$(wc -l < log); until [ $(wc -l < log) -gt $n ]; do sleep 0.01; done"}
    async with acp_stage(
        tmp_path, [busy, {"run": "until [ -e log ]; do sleep 0.01; done"}], [moves, {"say": "Yes."}]
    ) as stage:
        await stage.coder.turn("Do it.")
        log = stage.directory / "log"
        before = log.read_text()
        await asyncio.sleep(0.2)
        assert log.read_text() == before
        assert (await stage.coder.turn("Sure?")).text == "Yes."
