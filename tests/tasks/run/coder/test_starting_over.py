"""A small coder whose check failed begins anew; how prompts speak to a coder that writes blocks."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.toolcalls.probe import FILE, LINES, MESSAGES
from tests.tasks.run.verdicts import COMPLETE

PROMPT = "Write out.txt with yes in it."
TASK = {"id": "t", "dir": "work", "first_prompt": PROMPT, "verify": "grep yes out.txt"}


def block(text: str) -> Say:
    return Say(content=f"FILE: out.txt\n```\n{text}\n```\nDONE: out.txt is written.")


def coder_prompts(ran: Any) -> list[list[str]]:
    return [[m["role"] for m in request["messages"]] for request in ran.coder_requests()]


async def test_a_failed_check_opens_a_new_conversation(run_tasks: Any) -> None:
    first_attempt = Script(prompt=PROMPT, coder=[block("no")], evaluator=[Say(verdict=COMPLETE)])
    second_attempt = Script(prompt="An earlier attempt of yours failed", coder=[block("yes")])
    ran = await run_tasks([TASK], [second_attempt, first_attempt], tool_mode="text")
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert coder_prompts(ran) == [["system", "user"], ["system", "user"]], (
        "nothing of the first attempt is sent again"
    )
    first, second = ran.coder_requests()
    assert "temperature" not in first
    assert second["temperature"] == 0.8, "the likeliest answer has failed"
    told = second["messages"][1]["content"]
    assert told.startswith("Write out.txt with yes in it.\n\nWhen you write `DONE:`, your work is checked")
    assert "An earlier attempt of yours failed (exit code 1):" in told
    assert (ran.folder / "work/out.txt").read_text(encoding="utf-8") == "yes\n"
    generations = {event.generation for event in ran.of_type(e.MessageAdded)}
    assert generations == {0, 1}


async def test_a_coder_with_tool_calls_goes_on_in_its_conversation(run_tasks: Any) -> None:
    def turn(text: str) -> Say:
        write = ScriptedCall(name="write_file", arguments={"path": "out.txt", "content": text})
        return Say(calls=[write, ScriptedCall(name="finish", arguments={"summary": "Done."})])

    script = Script(
        prompt=PROMPT,
        coder=[turn("no\n"), turn("yes\n")],
        evaluator=[Say(verdict=COMPLETE)],
    )
    ran = await run_tasks([TASK], [script])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    roles = coder_prompts(ran)[1]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    assert "call `finish`" in ran.coder_requests()[1]["messages"][-1]["content"]


async def test_a_question_is_answered_where_it_was_asked(run_tasks: Any) -> None:
    script = Script(
        prompt=PROMPT,
        coder=[Say(content="FILE: notes.txt\n```\nno\n```"), Say(content="In which language?"), block("yes")],
        evaluator=[
            Say(
                verdict={**COMPLETE, "complete": False, "missing": ["yes"], "follow_up_prompt": "English."},
                times=1,
            ),
            Say(verdict=COMPLETE),
        ],
    )
    ran = await run_tasks([TASK], [script], tool_mode="text")
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    third = ran.coder_requests()[2]["messages"]
    assert [m["role"] for m in third] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert "English." in third[-1]["content"]


async def test_a_turn_ends_with_the_last_file_that_the_task_names(run_tasks: Any) -> None:
    """Whatever else the model would have written: checks run the work, and say what is wrong with it."""
    prompt = "Write yes into out.txt and no into b/more.txt."
    wrote = [
        Say(content=f"FILE: {path}\n```\n{text}\n```")
        for path, text in (("out.txt", "yes"), ("b/more.txt", "no"))
    ]
    again = Say(content="Here it is once more.\n\nFILE: out.txt\n```\nwrong\n```")
    script = Script(prompt=prompt, coder=[*wrote, again], evaluator=[Say(verdict=COMPLETE)])
    verify = "grep yes out.txt && grep no b/more.txt"
    ran = await run_tasks([{**TASK, "first_prompt": prompt, "verify": verify}], [script], tool_mode="text")
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    assert len(ran.coder_requests()) == 2


@pytest.mark.parametrize("prompt", ["Write out.txt from in.csv.", "Write the file."])
async def test_else_the_model_says_itself_when_it_is_done(run_tasks: Any, prompt: str) -> None:
    coder = [Say(content="FILE: out.txt\n```\nno\n```"), block("yes")]
    script = Script(prompt=prompt, coder=coder, evaluator=[Say(verdict=COMPLETE)])
    ran = await run_tasks([{**TASK, "first_prompt": prompt}], [script], tool_mode="text")
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    assert len(ran.coder_requests()) == 2


async def test_nudges_name_blocks_to_a_coder_that_writes_them(run_tasks: Any, tmp_path: Path) -> None:
    script = Script(
        prompt=PROMPT,
        coder=[Say(content="I will do that."), block("yes")],
        evaluator=[Say(verdict=COMPLETE)],
    )
    ran = await run_tasks([TASK], [script], tool_mode="text")
    nudge = ran.coder_requests()[1]["messages"][-1]["content"]
    assert "a `FILE:` line and a fence" in nudge
    assert not re.search(r"`(write_file|bash|finish|read_file)`", nudge)
    assert ran.task.status == "completed"


async def test_two_replies_that_nobody_understands_change_the_form(run_tasks: Any, tmp_path: Path) -> None:
    file = ScriptedCall(name="write_file", arguments={"path": FILE, "content": "\n".join(LINES)})
    probed = Script(prompt=str(MESSAGES[-1]["content"]), coder=[Say(calls=[file])])
    shown = Say(content="```python\nwrite('out.txt', 'yes')\n```")
    script = Script(prompt=PROMPT, coder=[shown, shown, block("yes")], evaluator=[Say(verdict=COMPLETE)])
    ran = await run_tasks(
        [TASK],
        [probed, script],
        server={"refuse": ["json_schema"]},
        tool_mode="auto",
        environ={"XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    said = [event.text for event in ran.of_type(e.Notice)]
    assert [
        mode for text in said for mode in re.findall(r"(?:calls tools|continues) in (\w+) mode", text)
    ] == [
        "native",
        "schema",
        "text",
    ]
    assert ran.task.status == "completed"
    (known,) = json.loads(
        (tmp_path / "cache/agentbatch/tool-modes.json").read_text(encoding="utf-8")
    ).values()
    assert known["mode"] == "text"


async def test_a_form_that_the_user_chose_stays(run_tasks: Any) -> None:
    shown = Say(content="```python\nwrite('out.txt', 'yes')\n```")
    script = Script(prompt=PROMPT, coder=[shown], evaluator=[Say(verdict={**COMPLETE, "complete": False})])
    ran = await run_tasks([{**TASK, "max_iterations": 2}], [script], tool_mode="native")
    assert ran.task.status == "error" or ran.task.status == "timeout"
    assert all("tools" in request for request in ran.coder_requests())
