"""A judge that looks for itself before it answers: commands and files, in a throw-away copy of the directory."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e

PROGRAM = "import sys\nprint(sum(map(int, sys.argv[1:])) + 1)\n"
RIGHT = PROGRAM.replace(" + 1", "")


def call(name: str, **arguments: Any) -> ScriptedCall:
    return ScriptedCall(name=name, arguments=arguments)


RUN = call("bash", command="python3 add.py 2 3")


def write(content: str) -> Say:
    bash = call("bash", command="python3 add.py")
    return Say(
        calls=[call("write_file", path="add.py", content=content), bash, call("finish", summary="Done.")]
    )


def verdict(met: bool, ref: str, quote: str) -> dict[str, Any]:
    return {
        "requirements": [{"text": "adds", "met": met, "evidence": [{"ref": ref, "quote": quote}]}],
        "missing": [] if met else ["the right sum"],
        "complete": met,
        "blocked": False,
        "score": 1.0 if met else 0.2,
        "follow_up_prompt": "" if met else "2 and 3 give 6.",
    }


def task(**fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": "Write add.py, which prints a sum.", **fields}


def script(*evaluator: Any, coder: tuple[Say, ...] = (write(PROGRAM), write(RIGHT))) -> Script:
    return Script(prompt=task()["first_prompt"], coder=list(coder), evaluator=list(evaluator))


def looks(ran: Any) -> list[tuple[str, int | None, str]]:
    done = [event for event in ran.of_type(e.CheckFinished) if event.kind == "look"]
    return [(event.command, event.exit_code, event.tail.split("\n")[0]) for event in done]


async def test_a_judge_runs_the_program_sees_the_wrong_number_and_says_so(run_tasks: Any) -> None:
    first = Say(calls=[RUN, call("read_file", path="add.py")], verdict=verdict(False, "R1", "6"))
    second = Say(calls=[RUN], verdict=verdict(True, "R1", "5"))
    ran = await run_tasks([task()], [script(first, second)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert looks(ran) == [
        ("python3 add.py 2 3", 0, "6"),
        ("read_file add.py", 0, "     1\timport sys"),
        ("python3 add.py 2 3", 0, "5"),
    ]
    listed = [[c.command for c in v.checks if c.kind == "look"] for v in ran.of_type(e.VerdictReached)]
    assert listed == [["python3 add.py 2 3", "read_file add.py"], ["python3 add.py 2 3"]]
    assert "2 and 3 give 6." in ran.of_type(e.IterationStarted)[1].prompt
    requests = ran.evaluator_requests()
    assert [len(request.get("tools", ())) for request in requests] == [2] * 5
    answers = [m["content"] for m in requests[2]["messages"] if m["role"] == "tool"]
    assert answers[0].startswith("[R1] run by the evaluator, exit 0: python3 add.py 2 3\n6\n")
    assert answers[1].startswith("[R2] run by the evaluator, exit 0: read_file add.py\n")


async def test_its_hands_are_not_those_of_the_coder(run_tasks: Any, tmp_path: Path) -> None:
    """Coders of others have no tools of ours at all."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "coder.toml").write_text('tools = ["write_file", "finish"]\n', encoding="utf-8")
    work = Say(calls=[call("write_file", path="add.py", content=RIGHT), call("finish", summary="Done.")])
    look = Say(calls=[RUN], verdict=verdict(True, "R1", "5"))
    ran = await run_tasks([task()], [script(look, coder=(work,))])
    assert ran.task.status == "completed"
    assert looks(ran) == [("python3 add.py 2 3", 0, "5")]


async def test_what_it_does_reaches_only_its_copy(run_tasks: Any) -> None:
    spoils = call("bash", command="echo broken > add.py; touch more; python3 --version")
    judge = Say(calls=[spoils, call("bash", command="cat add.py; ls")], verdict=verdict(True, "R1", "Python"))
    ran = await run_tasks([task()], [script(judge, coder=(write(RIGHT),))])
    assert sorted(path.name for path in Path(ran.folder / "work").iterdir()) == ["add.py"]
    assert (ran.folder / "work/add.py").read_text() == RIGHT
    assert [first for _, _, first in looks(ran)] == [looks(ran)[0][2], "broken"], "one copy an evaluation"


async def test_a_reply_without_calls_is_the_verdict(run_tasks: Any) -> None:
    judge = Say(verdict=verdict(True, "C1", "0"))
    ran = await run_tasks([task()], [script(judge, coder=(write(RIGHT),))])
    assert ran.task.status == "completed"
    (request,) = ran.evaluator_requests()
    assert [tool["function"]["name"] for tool in request["tools"]] == ["bash", "read_file"]
    assert "response_format" not in request


@pytest.mark.parametrize(
    "first",
    [Say(content="It looks fine to me.", times=1), Fault(status=400, message="no tools here")],
    ids=["words", "tools are refused"],
)
async def test_then_it_is_asked_by_schema_without_tools(run_tasks: Any, first: Any) -> None:
    ran = await run_tasks(
        [task()], [script(first, Say(verdict=verdict(True, "C1", "0")), coder=(write(RIGHT),))]
    )
    assert ran.task.status == "completed"
    one, two = ran.evaluator_requests()
    assert one["tools"]
    assert "tools" not in two
    assert two["response_format"]["json_schema"]["name"] == "verdict"


async def test_its_calls_are_counted_and_its_own_evidence_can_be_quoted_afterwards(
    run_tasks: Any, tmp_path: Path
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text("[limits]\nchecks = 0\nsteps = 2\n")
    judge = Say(calls=[RUN] * 5, verdict=verdict(True, "R2", "5"))
    ran = await run_tasks([task()], [script(judge, coder=(write(RIGHT),))])
    assert ran.task.status == "completed"
    assert len(looks(ran)) == 2
    last = ran.evaluator_requests()[-1]
    assert "tools" not in last
    assert "[R2] run by the evaluator, exit 0: python3 add.py 2 3\n5" in last["messages"][1]["content"]
    refs = json.dumps(last["response_format"])
    assert '"R2"' in refs


@pytest.mark.parametrize(
    ("toml", "flags"),
    [
        ("[limits]\nchecks = 0\nsteps = 0\n", {}),
        ("[limits]\nchecks = 0\n[model]\ncontext_window = 8192\n", {}),
    ],
    ids=["steps = 0", "a small model"],
)
async def test_without_hands_it_is_asked_by_schema_at_once(
    run_tasks: Any, tmp_path: Path, toml: str, flags: dict[str, Any]
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text(toml)
    judge = Say(calls=[RUN], verdict=verdict(True, "C1", "0"))
    ran = await run_tasks([task()], [script(judge, coder=(write(RIGHT),))], **flags)
    assert ran.task.status == "completed"
    assert looks(ran) == []
    assert all("tools" not in request for request in ran.evaluator_requests())
