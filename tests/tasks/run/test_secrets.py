"""A key that the shell finds in spite of everything: it must go nowhere from there."""

import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from tests.support.keys import KEY

"""The key of the `run_tasks` fixture."""

JUDGED: dict[str, Any] = {
    "requirements": [{"text": f"holds {KEY}", "met": True, "evidence": "@"}],
    "missing": [],
    "complete": True,
    "blocked": False,
    "score": 1.0,
    "follow_up_prompt": "",
}
QUOTED = {"text": "prints it", "met": True, "evidence": [{"ref": "V1", "quote": KEY}]}
NOT_YET = {**JUDGED, "complete": False, "missing": [f"remove {KEY}"], "follow_up_prompt": f"Remove {KEY}."}


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])


def finish(summary: str) -> Say:
    return Say(calls=[ScriptedCall(name="finish", arguments={"summary": summary})])


async def run_with_a_leak(run_tasks: Any, tmp_path: Any, **fields: Any) -> Any:
    """A task in whose directory the key lies; the coder prints it, copies it and talks about it."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "found.txt").write_text(f"{KEY}\n", encoding="utf-8")
    coder = [
        bash("cat found.txt"),
        bash("cp found.txt copy.txt"),
        Say(content=f"Is {KEY} yours?"),
        bash(f"grep -c {KEY} copy.txt"),
        finish(f"I found {KEY}."),
    ]
    judged = {**JUDGED, "requirements": [*JUDGED["requirements"], QUOTED]}
    script = Script(prompt="Do it.", coder=coder, evaluator=[Say(verdict=NOT_YET), Say(verdict=judged)])
    task = {"id": "t", "dir": "work", "first_prompt": "Do it.", "verify": f"cat copy.txt; echo {KEY}"}
    return await run_tasks([{**task, **fields}], [script])


async def test_it_is_in_no_file_of_the_run(run_tasks: Any, tmp_path: Any) -> None:
    ran = await run_with_a_leak(run_tasks, tmp_path)
    assert ran.task.status == "completed", ran.task.error
    assert "[redacted]" in (ran.task_folder("t") / "changes.patch").read_text(encoding="utf-8")
    assert "[redacted]" in ran.results["results"][0]["result"]["lastResponse"]
    files = [ran.outcome.results_file, *ran.outcome.run_folder.rglob("*")]
    assert [path for path in files if path.is_file() and KEY.encode() in path.read_bytes()] == []
    assert ran.outcome.run_folder.stat().st_mode & 0o777 == 0o700
    kept = [path for path in files[1:] if path.is_file()]
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in kept} == {p.name: "0o600" for p in kept}


@pytest.mark.parametrize("where", [{}, {"isolation": "copy"}])
async def test_a_key_in_the_name_of_a_file_is_in_no_file_of_the_run(
    run_tasks: Any, tmp_path: Any, where: dict[str, str]
) -> None:
    """Also in folders, links, and names of files that are only named, because they are binary."""
    work = tmp_path / "work"
    (work / KEY).mkdir(parents=True)
    (work / KEY / "before.txt").write_text("old\n")
    (work / f"gone-{KEY}.txt").write_text("old\n")
    (work / "was.bin").write_bytes(b"\0")
    made = f"echo new > {KEY}/before.txt; rm gone-*; printf '\\0' > {KEY}.bin; echo > {KEY}.txt"
    linked = f"ln -s {KEY} link; ln -sf {KEY} was.bin"
    script = Script(
        prompt="Do it.", coder=[bash(made), bash(linked), finish("Done.")], evaluator=[Say(verdict=JUDGED)]
    )
    ran = await run_tasks([{"id": "t", "dir": "work", "first_prompt": "Do it.", **where}], [script])
    assert ran.task.changed_files == 6
    patch = (ran.task_folder("t") / "changes.patch").read_text(encoding="utf-8")
    assert "a/[redacted]/before.txt" in patch
    document = json.loads((ran.task_folder("t") / "changes.json").read_text(encoding="utf-8"))
    assert "[redacted].bin" in [entry["path"] for entry in document]
    files = [
        path for path in ran.outcome.run_folder.rglob("*") if "copy" not in path.parts and path.is_file()
    ]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in json.dumps(ran.evaluator_requests())


async def test_no_tool_result_and_no_evidence_carries_it_to_a_model(run_tasks: Any, tmp_path: Any) -> None:
    ran = await run_with_a_leak(run_tasks, tmp_path)
    for request in ran.evaluator_requests():
        assert KEY not in json.dumps(request["messages"])
    answers = [m for m in ran.coder_requests()[-1]["messages"] if m["role"] in ("tool", "user")]
    assert [m["content"] for m in answers if KEY in m["content"]] == []


@pytest.mark.parametrize("fields", [{}, {"max_iterations": 1}], ids=["ends with finish", "ends with text"])
async def test_no_event_shows_it_but_the_coders_own_words(
    run_tasks: Any, tmp_path: Any, fields: dict[str, Any]
) -> None:
    ran = await run_with_a_leak(run_tasks, tmp_path, **fields)
    assert "[redacted]" in ran.task.last_response
    for event in ran.events:
        own_words = isinstance(event, e.MessageAdded) and event.message["role"] == "assistant"
        assert own_words or KEY not in event.model_dump_json(), event.type


async def test_an_unfit_verdict_with_it_is_masked_when_asked_again(run_tasks: Any) -> None:
    judge = [Say(content=f"I saw {KEY}.", times=1), Say(verdict=JUDGED)]
    script = Script(prompt="Do it.", coder=[bash("touch a"), finish("Done.")], evaluator=judge)
    ran = await run_tasks([{"id": "t", "dir": "work", "first_prompt": "Do it."}], [script])
    assert ran.task.status == "completed"
    assert ran.evaluator_requests()[1]["messages"][2]["content"] == "I saw [redacted]."


async def test_a_key_in_a_prompt_is_in_no_file_of_the_run(run_tasks: Any) -> None:
    script = Script(
        prompt="Use",
        match="prefix",
        coder=[bash("touch a"), finish("Done.")],
        evaluator=[Say(verdict=JUDGED)],
    )
    task = {"id": "t", "dir": "work", "first_prompt": f"Use {KEY}."}
    ran = await run_tasks([task], [script])
    files = [ran.outcome.results_file, *ran.outcome.run_folder.rglob("*")]
    assert [path for path in files if path.is_file() and KEY.encode() in path.read_bytes()] == []


async def test_an_internal_error_ends_its_task_only_and_is_told_without_the_key(run_tasks: Any) -> None:
    def break_once(event: e.Event, _: Any) -> None:
        if isinstance(event, e.ToolCalled) and event.task_id == "t":
            raise ZeroDivisionError(f"a bug with {KEY}")

    script = Script(
        prompt="Do it.", coder=[bash("touch a"), finish("Done.")], evaluator=[Say(verdict=JUDGED)]
    )
    tasks = [{"id": name, "dir": name, "first_prompt": "Do it."} for name in ("t", "u")]
    ran = await run_tasks(tasks, [script], on_event=break_once)
    t, u = ran.outcome.state.tasks.values()
    assert (t.reason, u.status) == ("internal_error", "completed")
    assert t.error == "Internal error: ZeroDivisionError: a bug with [redacted]"
    (notice,) = [event.text for event in ran.of_type(e.Notice) if "Internal error" in event.text]
    assert "Traceback" in notice
    assert KEY not in notice


async def test_an_endpoint_that_repeats_it_is_quoted_without_it(run_tasks: Any) -> None:
    fault = Fault(status=503, message=f"Not now, {KEY}.", times=1000)
    script = Script(prompt="Do it.", coder=[fault], evaluator=[])
    ran = await run_tasks([{"id": "t", "dir": "work", "first_prompt": "Do it."}], [script], max_retries="1")
    assert "Not now, [redacted]." in ran.task.error
    assert [event.type for event in ran.events if KEY in event.model_dump_json()] == []


async def test_a_key_in_a_long_output_is_in_no_file_and_not_cut_in_two(
    run_tasks: Any, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "found.txt").write_text(KEY, encoding="utf-8")
    commands = [
        "seq 9000; cat found.txt; echo; seq 9000",
        "head -c 14990 /dev/zero | tr '\\0' x; cat found.txt; seq 9000",
        "printf '%s' \"$(head -c 9 found.txt)\"; sleep 0.2; tail -c +10 found.txt",
    ]
    script = Script(
        prompt="Do it.",
        coder=[*(bash(command) for command in commands), finish("Done.")],
        evaluator=[Say(verdict=JUDGED)],
    )
    ran = await run_tasks([{"id": "t", "dir": "work", "first_prompt": "Do it."}], [script])
    assert ran.task.status == "completed"
    spilled = list(ran.task_folder("t").glob("outputs/*"))
    assert len(spilled) == 2
    assert all(KEY not in path.read_text(encoding="utf-8") for path in spilled)
    sent = json.dumps([r["messages"] for r in ran.coder_requests()])
    assert KEY[:9] not in sent
    assert sent.count("[redacted]") >= 2


async def test_a_listener_is_told_none_either(run_tasks: Any, tmp_path: Path) -> None:
    """A display shows events as they come. What is cut is cleaned before: half a key is none that can be known."""
    calls = [
        ScriptedCall(name=f"tool-{KEY}", arguments={"x": KEY}),
        ScriptedCall(name="write_file", arguments={"path": f"{KEY}.txt", "content": "x"}),
        *(ScriptedCall(name="bash", arguments={"command": f"true {'x' * n}{KEY}"}) for n in (60, 75, 80, 85)),
    ]
    coder = [*(Say(calls=[call]) for call in calls), finish("Done.")]
    script = Script(prompt="Do it.", coder=coder, evaluator=[Say(verdict=NOT_YET)])
    ran = await run_tasks([{"id": "t", "dir": "w", "first_prompt": "Do it.", "max_iterations": 1}], [script])
    shown = [
        json.dumps({**event.model_dump(), "call_id": ""}, default=str)
        for event in ran.events
        if isinstance(event, e.ToolCalled | e.ToolFinished)
    ]
    assert len(shown) >= 14
    assert [text for text in shown if KEY[:12] in text] == []
