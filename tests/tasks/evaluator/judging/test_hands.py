"""The calls of a judge that looks for itself: each is answered once, what ran is evidence, what is wrong is said."""

from pathlib import Path

import pytest

from agentbatch.model.reply import Reply, ToolCall
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.tasks.evaluator.checks.check import CheckRunner
from agentbatch.tasks.evaluator.judging.hands import MAX_SHOWN, Hands
from agentbatch.workspace.workspace import CommandRecord
from tests.support.workspaces import local_workspace

KEY = "sk-secret-secret-secret"


class Look:
    def __init__(self, folder: Path, steps: int, before: tuple[CommandRecord, ...] = ()) -> None:
        (folder / "work").mkdir()
        (folder / "work/key").write_text(f"{KEY}\n")
        self.events: list[e.Event] = []
        redact = Redactor([KEY])
        workspace = local_workspace(
            folder / "work", folder / "outputs", env={"PATH": "/usr/bin:/bin"}, redact=redact
        )
        self.hands = Hands(CheckRunner("t", self.events.append, redact, workspace), steps, before)

    async def answers(self, *calls: tuple[str, str]) -> list[str]:
        asked = tuple(ToolCall("same", name, arguments) for name, arguments in calls)
        said, *answers = await self.hands.answer(Reply("", asked, reasoning="hm"))
        await self.hands.close()
        assert said["reasoning_content"] == "hm"
        assert [a["tool_call_id"] for a in answers] == [c["id"] for c in said["tool_calls"]]
        assert len({a["tool_call_id"] for a in answers}) == len(calls)
        return [a["content"] for a in answers]


async def test_more_calls_than_it_has_are_answered_and_not_carried_out(tmp_path: Path) -> None:
    look = Look(tmp_path, 2)
    echo = [("bash", f'{{"command": "echo {n}"}}') for n in range(4)]
    answers = await look.answers(*echo)
    assert [answer.split("\n")[0] for answer in answers] == [
        "[R1] run by the evaluator, exit 0: echo 0",
        "[R2] run by the evaluator, exit 0: echo 1",
        "Not run: your calls are used up. Answer now with the JSON object only.",
        "Not run: your calls are used up. Answer now with the JSON object only.",
    ]
    assert look.hands.used_up
    assert [run.command for run in look.hands.runs] == ["echo 0", "echo 1"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("write_file", '{"path": "a", "content": ""}', "There is no tool 'write_file'. The tools are bash and"),
        ("bash", "{not json", "bash"),
        ("bash", "{}", "command"),
    ],
)  # fmt: skip
async def test_what_is_no_call_is_no_evidence(tmp_path: Path, name: str, arguments: str, said: str) -> None:
    look = Look(tmp_path, 2)
    (answer,) = await look.answers((name, arguments))
    assert said in answer
    assert "[R1]" not in answer
    assert look.hands.runs == []
    assert not look.hands.used


async def test_results_are_bounded_without_keys_and_numbered_after_what_ran_before(tmp_path: Path) -> None:
    look = Look(tmp_path, 3, (CommandRecord("python3 -c 'import a'", 0, "", 0.1),))
    long, key, fails = await look.answers(
        ("bash", '{"command": "seq 100000"}'),
        ("bash", '{"command": "cat key"}'),
        ("read_file", '{"path": "none"}'),
    )
    assert long.startswith("[R2] run by the evaluator, exit 0: seq 100000\n1\n2\n")
    assert len(long) < MAX_SHOWN + 200
    assert KEY not in key
    assert fails.startswith("[R4] run by the evaluator, exit 1: read_file none\n")
    done = [event for event in look.events if isinstance(event, e.CheckFinished)]
    assert [(event.kind, event.command, event.exit_code) for event in done] == [
        ("look", "seq 100000", 0),
        ("look", "cat key", 0),
        ("look", "read_file none", 1),
    ]
