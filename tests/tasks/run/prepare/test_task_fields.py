"""What a task or a flag asks for is what the run does: models, limits, order, rest, long outputs, the log."""

import re
from pathlib import Path
from typing import Any

import pytest

from agentbatch.config import load_settings
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.tasks.run.prepare.prepare import prepare
from tests.tasks.run.verdicts import COMPLETE

INCOMPLETE = {**COMPLETE, "complete": False, "missing": ["more"], "follow_up_prompt": "Do more."}


def call(name: str, **arguments: Any) -> Say:
    return Say(calls=[ScriptedCall(name=name, arguments=arguments)])


WRITE = call("write_file", path="a", content="x\n")
FINISH = call("finish", summary="Done.")


def script(*coder: Say, judge: tuple[Say, ...] = (Say(verdict=COMPLETE),), prompt: str = "Do") -> Script:
    return Script(prompt=prompt, match="prefix", coder=list(coder) or [WRITE, FINISH], evaluator=list(judge))


def task(name: str = "t", **fields: Any) -> dict[str, Any]:
    return {"id": name, "dir": name, "first_prompt": f"Do {name}.", **fields}


async def test_a_task_chooses_its_own_models(run_tasks: Any) -> None:
    own = {"coder_model": "my-coder", "evaluator_model": "my-judge"}
    ran = await run_tasks([task("a", **own), task("b")], [script()], server={"any_model": True})
    models = {t.id: {(b.role, b.model) for b in t.bills} for t in ran.outcome.state.tasks.values()}
    assert models["a"] == {("coder", "my-coder"), ("evaluator", "my-judge")}
    assert models["b"] == {("coder", "rehearsal-coder"), ("evaluator", "rehearsal-evaluator")}


@pytest.mark.parametrize(("own", "flag", "expected"), [(None, "2", 2), (1, "2", 1), (2, "1", 2)])
async def test_the_iteration_limit(run_tasks: Any, own: int | None, flag: str, expected: int) -> None:
    steps = [call("write_file", path=str(n), content="") if n % 2 else FINISH for n in range(1, 9)]
    fields: dict[str, Any] = {} if own is None else {"max_iterations": own}
    ran = await run_tasks(
        [task(**fields)], [script(*steps, judge=(Say(verdict=INCOMPLETE),))], max_iterations=flag
    )
    assert (ran.task.reason, ran.task.iteration) == ("max_iterations", expected)
    assert ran.results["results"][0]["result"]["iterations"] == expected


@pytest.mark.parametrize(("own", "flag"), [(None, "0.5"), (0.5, "600")])
async def test_the_wall_clock_of_the_flag_and_of_the_task(
    run_tasks: Any, own: float | None, flag: str
) -> None:
    fields: dict[str, Any] = {} if own is None else {"timeout": own}
    ran = await run_tasks([task(**fields)], [script(call("bash", command="sleep 60"))], timeout=flag)
    assert (ran.task.status, ran.task.reason) == ("timeout", "wall_clock")
    assert "ran out of its 0.5 seconds" in ran.results["results"][0]["result"]["error"]


async def test_higher_priority_starts_first_and_results_keep_the_files_order(run_tasks: Any) -> None:
    tasks = [task("low", priority=-1), task("mid"), task("high", priority=3)]
    ran = await run_tasks(tasks, [script()], parallel="1")
    assert [event.task_id for event in ran.of_type(e.TaskStarted)] == ["high", "mid", "low"]
    assert [entry["task"]["id"] for entry in ran.results["results"]] == ["low", "mid", "high"]


@pytest.mark.parametrize(
    ("flags", "at_once", "rest"),
    [
        ({"mode": "serial"}, 1, 2.0),
        ({"mode": "serial", "rest_ms": "0", "parallel": "7"}, 1, 0.0),
        ({"mode": "parallel", "parallel": "7"}, 7, 0.0),
        ({"mode": "parallel", "rest_ms": "250"}, 3, 0.25),
        ({"mode": "test"}, 3, 0.0),
    ],
)
def test_how_many_at_once_and_the_rest_between(
    tmp_path: Path, flags: dict[str, str], at_once: int, rest: float
) -> None:
    (tmp_path / "task.json").write_text('{"tasks": [{"first_prompt": "x"}]}', encoding="utf-8")
    prepared = prepare(load_settings(flags, {}, folder=tmp_path), folder=tmp_path, environ={})
    assert (prepared.max_concurrent, prepared.rest) == (at_once, rest)


async def test_a_serial_run_rests_between_starts(run_tasks: Any) -> None:
    ran = await run_tasks([task("a"), task("b")], [script()], mode="serial", rest_ms="300")
    first, second = (event.ts for event in ran.of_type(e.TaskStarted))
    assert second - first >= 0.29
    assert ran.results["summary"]["maxConcurrent"] == 1


async def test_a_long_output_is_kept_whole_for_tool_and_shell(run_tasks: Any, tmp_path: Path) -> None:
    def link(event: e.Event, _: Any) -> None:
        """A script cannot know the path that the coder is told, so the test gives it a name."""
        if isinstance(event, e.MessageAdded) and event.message["role"] == "tool" and event.index == 3:
            told = re.search(r"the whole output is in (\S+)", str(event.message["content"]))
            assert told is not None
            (tmp_path / "t" / "whole").symlink_to(told[1])

    steps = [
        call("bash", command="seq 20000"),
        call("read_file", path="whole", offset=10_000, limit=1),
        call("bash", command="sed -n 10001p whole"),
        FINISH,
    ]
    ran = await run_tasks([task()], [script(*steps)], on_event=link)
    answers = [m["content"] for m in ran.coder_requests()[-1]["messages"] if m["role"] == "tool"]
    assert "characters left out here" in answers[0]
    assert re.search(r"^ *10000\b.*10000$", answers[1], re.MULTILINE), answers[1]
    assert answers[2].startswith("10001\n")


async def test_the_log_tells_the_run_from_start_to_end(run_tasks: Any) -> None:
    ran = await run_tasks(
        [task("a", verify="test -f a"), task("b")],
        [script(prompt="Do a."), script(FINISH, prompt="Do b.")],
        parallel="1",
    )
    log = (ran.outcome.run_folder / "run.log").read_text(encoding="utf-8")
    wanted = ["sandbox", "task 1/2: started: a", "write_file: a", "test -f a", "task 1/2: completed in"]
    wanted += ["task 2/2: started: b", "task 2/2: error", "run finished"]
    places = [log.find(text) for text in wanted]
    assert -1 not in places, dict(zip(wanted, places, strict=True))
    assert places == sorted(places)
    assert all(re.match(r"\[\d\d:\d\d:\d\d\] ", line) for line in log.splitlines())
