"""The coder/evaluator loop end to end, on scripted models over real HTTP."""

import itertools
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.rehearsal.streaming import Streaming
from agentbatch.runs import events as e
from tests.support.keys import KEY
from tests.tasks.run.verdicts import COMPLETE

INCOMPLETE = {
    **COMPLETE,
    "complete": False,
    "missing": ["the second file"],
    "score": 0.5,
    "follow_up_prompt": "Write b.",
}


def write(path: str, content: str = "x\n") -> ScriptedCall:
    return ScriptedCall(name="write_file", arguments={"path": path, "content": content})


def bash(command: str) -> ScriptedCall:
    return ScriptedCall(name="bash", arguments={"command": command})


FINISH = ScriptedCall(name="finish", arguments={"summary": "All done."})


def calls(*scripted: ScriptedCall) -> Say:
    return Say(calls=list(scripted))


def made(path: str) -> Say:
    """A file that is written and then used, so that `finish` is taken at once."""
    return calls(write(path), bash(f"cat {path}"))


def say(verdict: dict[str, Any]) -> Say:
    return Say(verdict=verdict)


def task(prompt: str = "Do it.", **fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": prompt, **fields}


def script(coder: list[Any], evaluator: list[Any] | None = None, prompt: str = "Do it.") -> Script:
    return Script(prompt=prompt, coder=coder, evaluator=evaluator or [say(COMPLETE)])


async def test_a_task_is_done_and_everything_is_left_behind(run_tasks: Any) -> None:
    ran = await run_tasks(
        [task()], [script([calls(write("hello.txt"), bash("cat hello.txt")), calls(FINISH)])]
    )
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("completed", "accepted", 1)
    assert (ran.folder / "work" / "hello.txt").read_text(encoding="utf-8") == "x\n"
    assert ran.outcome.exit_code == 0
    assert "+++ b/hello.txt" in (ran.task_folder("t") / "changes.patch").read_text(encoding="utf-8")
    document = json.loads((ran.task_folder("t") / "coder.traj.json").read_text(encoding="utf-8"))
    assert [m["role"] for m in document["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "tool",
    ]
    assert document["info"]["exit_status"] == "accepted"
    assert ran.results["results"][0]["result"]["lastResponse"] == "All done."
    assert [m["role"] for m in ran.coder_requests()[1]["messages"]][:2] == ["system", "user"]
    assert ran.coder_requests()[1]["messages"][1]["content"] == "Do it."
    assert "task 1/1" in (ran.outcome.run_folder / "run.log").read_text(encoding="utf-8")
    database = sqlite3.connect(ran.outcome.run_folder / "run.db")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


async def test_the_conversation_only_ever_grows(run_tasks: Any) -> None:
    coder = [made("a"), calls(FINISH), made("b"), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder, [say(INCOMPLETE), say(COMPLETE)])])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    requests = [r["messages"] for r in ran.coder_requests()]
    for before, after in itertools.pairwise(requests):
        assert after[: len(before)] == before
    assert requests[2][-1]["role"] == "user"
    assert requests[2][-1]["content"].startswith("Write b.")
    assert "the second file" in requests[2][-1]["content"]
    assert "the second file" in json.dumps(ran.evaluator_requests()[1]["messages"])


async def test_each_message_is_stored_before_the_next_call(run_tasks: Any, tmp_path: Path) -> None:
    """At each model call of the coder, what it is sent is already on disk."""
    seen: list[e.Event] = []
    stored: list[int] = []
    said: list[int] = []

    def check(event: e.Event, _: Any) -> None:
        if isinstance(event, e.ModelCallStarted) and event.role == "coder":
            database = sqlite3.connect(next(tmp_path.glob(".agentbatch/runs/*/run.db")))
            stored.append(database.execute("SELECT count(*) FROM messages").fetchone()[0])
            said.append(sum(isinstance(x, e.MessageAdded) for x in seen))
            database.close()
        seen.append(event)

    coder = [calls(write("a"), write("b")), calls(bash("true")), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder)], on_event=check)
    assert ran.task.status == "completed"
    assert stored == said == [2, 5, 7]


YES_MAN = [say(COMPLETE)]


async def test_a_yes_man_does_not_pass_a_failing_verify(run_tasks: Any) -> None:
    coder = [made("a"), calls(FINISH)] + [
        calls(write("a", f"{n}")) if n % 2 else calls(FINISH) for n in range(1, 9)
    ]
    ran = await run_tasks([task(verify="echo the-tail; exit 3", max_iterations=2)], [script(coder, YES_MAN)])
    assert (ran.task.status, ran.task.reason) == ("timeout", "max_iterations")
    follow_up = next(m for m in ran.coder_requests()[2]["messages"][::-1] if m["role"] == "user")["content"]
    assert "$ echo the-tail; exit 3" in follow_up
    assert "the-tail\n(exit code 3)" in follow_up
    assert ran.outcome.exit_code == 1


async def test_a_yes_man_does_not_pass_a_task_where_nothing_was_done(run_tasks: Any) -> None:
    ran = await run_tasks([task()], [script([calls(FINISH)], YES_MAN)])
    assert (ran.task.status, ran.task.reason) == ("error", "stalled")
    assert ran.task.iteration == 3
    assert "change your approach" in json.dumps(ran.coder_requests()[-1]["messages"])


@pytest.mark.parametrize(
    "judge",
    [
        [Say(content="there is no evidence that the task is complete")],
        [Say(content=json.dumps({**COMPLETE, "complete": "false"}))],
        [Say(content="")],
        [Say(content="<think>it is complete: " + json.dumps(COMPLETE) + "</think>")],
        [Fault(status=500, times=1000)],
        [Fault(status=400, code="bad", message="no such thing", times=1000)],
        [Fault(kind="garbage", times=1000)],
    ],
    ids=["prose", "wrong type", "empty", "only in thoughts", "500s", "400s", "garbage"],
)
async def test_a_judge_without_a_verdict_never_completes_a_task(run_tasks: Any, judge: list[Any]) -> None:
    coder = [made("a"), calls(FINISH), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder, judge)], max_retries="1")
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("error", "evaluation_failed", 2)
    second_prompt = ran.coder_requests()[2]["messages"][-1]["content"]
    for leaked in ("no evidence that", "scripted fault", "evaluator", "no such thing", "verdict", "500"):
        assert leaked not in second_prompt


async def test_a_low_score_contradicts_complete(run_tasks: Any) -> None:
    low = {**COMPLETE, "score": 0.1}
    ran = await run_tasks([task(max_iterations=1)], [script([made("a"), calls(FINISH)], [say(low)])])
    assert ran.task.status == "timeout"
    assert "score of 0.1" in ran.task.error


async def test_a_bad_verdict_is_asked_for_again(run_tasks: Any) -> None:
    judge = [Say(content="I think it is fine."), say(COMPLETE)]
    # The evaluator's step follows the iteration, so a second answer needs a second iteration.
    ran = await run_tasks([task()], [script([made("a"), calls(FINISH), calls(FINISH)], judge)])
    assert ran.task.status == "completed"
    first, second, third = (r["messages"] for r in ran.evaluator_requests()[:3])
    assert [len(m) for m in (first, second, third)] == [2, 4, 6]
    assert "not a valid verdict" in second[-1]["content"]


async def test_a_question_is_answered_by_the_evaluator(run_tasks: Any) -> None:
    answer = {**INCOMPLETE, "missing": ["the port"], "follow_up_prompt": "Use port 8080."}
    coder = [calls(bash("ls")), Say(content="Which port?"), calls(write("port", "8080\n")), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder, [say(answer), say(COMPLETE)])])
    assert ran.task.status == "completed"
    assert "Which port?" in ran.evaluator_requests()[0]["messages"][1]["content"]
    assert ran.coder_requests()[2]["messages"][-1]["content"].startswith("Use port 8080.")


async def test_text_without_any_tool_is_nudged_once(run_tasks: Any) -> None:
    coder = [Say(content="I would do it like this."), made("a"), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder)])
    assert ran.task.status == "completed"
    assert "text alone changes nothing" in ran.coder_requests()[1]["messages"][-1]["content"]


async def test_every_call_is_answered_once_whatever_its_arguments(run_tasks: Any) -> None:
    broken = [
        ScriptedCall(name="bash", arguments='{"command": "touch no'),
        ScriptedCall(name="no_such_tool", arguments={}),
        ScriptedCall(name="bash", arguments={"cmd": "touch no"}),
        write("a"),
        FINISH,
        bash("touch after-the-refusal"),
    ]
    last = calls(FINISH, bash("touch after-finish"))
    ran = await run_tasks([task()], [script([Say(calls=broken), last])])
    assert ran.task.status == "completed"
    document = json.loads((ran.task_folder("t") / "coder.traj.json").read_text(encoding="utf-8"))
    called = [c for m in document["messages"] for c in m.get("tool_calls", ())]
    answers = [m for m in document["messages"] if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in answers] == [c["id"] for c in called]
    assert answers[4]["content"].startswith("Not finished: a call before this one failed.")
    for call in called:
        json.loads(call["function"]["arguments"])
    assert sorted(p.name for p in (ran.folder / "work").iterdir()) == ["a", "after-the-refusal"]


async def test_a_cut_off_call_is_not_run(run_tasks: Any) -> None:
    cut = Say(
        calls=[write("a"), ScriptedCall(name="bash", arguments='{"command": "rm -rf')], finish_reason="length"
    )
    ran = await run_tasks([task()], [script([cut, calls(FINISH)])])
    assert ran.task.status == "completed"
    answer = ran.coder_requests()[1]["messages"][-1]
    assert answer["role"] == "tool"
    assert "output limit" in answer["content"]


async def test_empty_and_malformed_replies_end_the_turn_after_three(run_tasks: Any) -> None:
    coder = [Say(content=""), Say(reasoning="hmm"), Say(calls=[ScriptedCall(name="bash", arguments="{")])]
    ran = await run_tasks([task(max_iterations=1)], [script([*coder, calls(FINISH)])])
    assert ran.task.status == "timeout"
    assert len(ran.coder_requests()) == 3
    assert "empty or malformed" in ran.task.verdicts[0].refusals[0]


async def test_a_reply_that_was_filtered_is_told_and_asked_for_in_other_words(run_tasks: Any) -> None:
    filtered = Say(content="I will", finish_reason="content_filter")
    ran = await run_tasks([task()], [script([filtered, made("a"), calls(FINISH)], [say(COMPLETE)])])
    assert ran.task.status == "completed"
    assert "content filter" in ran.coder_requests()[1]["messages"][-1]["content"]
    assert any("content filter" in notice.text for notice in ran.of_type(e.Notice))
    assert all(call.attempts == 1 for call in ran.of_type(e.ModelCallFinished))


async def test_an_endpoint_with_its_own_order_of_messages_is_learnt_once(run_tasks: Any) -> None:
    """Each prompt after `finish` follows a tool's answer; the ids are the server's own."""
    turns = [made("a"), calls(FINISH), made("b"), calls(FINISH), made("c"), calls(FINISH)]
    verdicts = [say(INCOMPLETE), say(INCOMPLETE), say(COMPLETE)]
    refuse = ("user_after_tool", "empty_content", "long_ids")
    ran = await run_tasks([task()], [script(turns, verdicts)], server={"refuse": refuse})
    assert ran.task.status == "completed"
    roles = [message["role"] for message in ran.coder_requests()[-1]["messages"]]
    assert ("tool", "user") not in itertools.pairwise(roles)
    learnt = [notice.text for notice in ran.of_type(e.Notice) if "continuing without" in notice.text]
    assert len(learnt) == 2


@pytest.mark.parametrize("ignored", [False, True], ids=["streamed", "whole"])
async def test_signatures_of_calls_come_back_also_after_a_resumption(run_tasks: Any, ignored: bool) -> None:
    """Gemini 3 refuses a history without them."""

    def signed(call: ScriptedCall) -> ScriptedCall:
        return call.model_copy(update={"signature": f"seal of {call.name}"})

    steps = [
        calls(signed(write("a")), signed(bash("cat a"))),
        calls(signed(bash("cat a a"))),
        calls(signed(FINISH)),
    ]
    server = {"refuse": ("unsigned_calls",), "streaming": Streaming(ignored=ignored)}
    scripts = [script(steps, [say(COMPLETE)])]

    engine: list[Any] = []

    def stop(event: e.Event, _: Any) -> None:
        if isinstance(event, e.ToolFinished) and event.tool == "bash":
            engine[0].stop_now()

    first = await run_tasks([task()], scripts, server=server, on_start=engine.append, on_event=stop)
    assert first.task.status != "completed"
    ran = await run_tasks([task()], scripts, server=server, resume_run=first.outcome.run_folder)
    assert ran.task.status == "completed"
    seals = [
        call["extra_content"]["google"]["thought_signature"]
        for message in ran.coder_requests()[-1]["messages"]
        for call in message.get("tool_calls", ())
    ]
    assert seals == ["seal of write_file", "seal of bash", "seal of bash"]
    assert not [notice for notice in ran.of_type(e.Notice) if "continuing without" in notice.text]


async def test_going_in_circles_is_nudged_and_then_ended(run_tasks: Any) -> None:
    ran = await run_tasks([task(max_iterations=1)], [script([calls(bash("echo same"))] * 9)])
    assert len(ran.coder_requests()) == 5
    assert "same result 3 times" in ran.coder_requests()[3]["messages"][-1]["content"]
    assert "repeated the same call" in ran.task.verdicts[0].refusals[0]


async def test_a_blocked_task_ends_at_once(run_tasks: Any) -> None:
    blocked = {**INCOMPLETE, "blocked": True}
    ran = await run_tasks([task()], [script([calls(bash("false")), calls(FINISH)], [say(blocked)])])
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("error", "blocked", 1)


async def test_protected_paths_are_put_back_and_reported(run_tasks: Any, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "test_it.py").write_text("assert False\n", encoding="utf-8")
    (work / "check.py").write_text("raise SystemExit(open('ok').read() != 'yes')\n", encoding="utf-8")
    coder = [calls(write("check.py", ""), write("test_it.py", ""), write("ok", "no")), calls(FINISH)]
    coder += [calls(write("ok", "yes")), calls(FINISH)]
    ran = await run_tasks(
        [task(verify="python3 check.py", protected_paths=["check.py"])], [script(coder, [say(COMPLETE)])]
    )
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert (work / "check.py").read_text(encoding="utf-8").startswith("raise SystemExit")
    assert ran.task.tampering == ["check.py", "test_it.py"]
    assert "check.py" in ran.evaluator_requests()[0]["messages"][1]["content"]


async def test_wall_clock(run_tasks: Any) -> None:
    ran = await run_tasks([task(timeout=1)], [script([calls(bash("sleep 60"))])])
    assert (ran.task.status, ran.task.reason) == ("timeout", "wall_clock")


async def test_an_unusable_key_stops_the_run_and_the_key_shows_nowhere(run_tasks: Any) -> None:
    tasks = [{"id": f"t{n}", "dir": f"d{n}", "first_prompt": "Do it."} for n in range(5)]
    fault = [Fault(status=401, message="Incorrect API key provided: sk-test-0123456789abcdef", times=1000)]
    ran = await run_tasks(tasks, [script([*fault, calls(FINISH)])], parallel="1")
    statuses = [t.status for t in ran.outcome.state.tasks.values()]
    assert statuses == ["error"] + ["cancelled"] * 4
    assert "401" in ran.results["run"]["error"]
    assert ran.outcome.exit_code == 1
    for path in ran.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


async def test_a_failing_request_fails_its_task_only(run_tasks: Any) -> None:
    tasks = [{"id": f"t{n}", "dir": f"d{n}", "first_prompt": f"Do {n}."} for n in range(2)]
    bad = script([Fault(status=400, code="weird", message="I do not like it", times=1000)], prompt="Do 0.")
    good = script([made("a"), calls(FINISH)], prompt="Do 1.")
    ran = await run_tasks(tasks, [bad, good])
    t0, t1 = ran.outcome.state.tasks.values()
    assert (t0.status, t0.reason, t1.status) == ("error", "model_error", "completed")
    assert "I do not like it" in t0.error


async def test_the_key_is_not_in_the_coders_environment(run_tasks: Any) -> None:
    coder = [calls(bash("env; cat /proc/self/environ | tr '\\0' '\\n'")), made("a"), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder)])
    assert ran.task.status == "completed"
    output = ran.coder_requests()[1]["messages"][-1]["content"]
    assert "PATH=" in output
    assert "API_KEY" not in output
    for path in ran.folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


async def test_same_dirs_never_overlap_and_others_do_without_seeing_each_other(run_tasks: Any) -> None:
    def work(n: int, folder: str) -> dict[str, Any]:
        return {"id": f"t{n}", "dir": folder, "first_prompt": f"Do {n}.", "env": {"MINE": f"value-{n}"}}

    tasks = [work(0, "same"), work(1, "same"), work(2, "other")]
    command = "pwd > {0}.txt; echo $MINE >> {0}.txt; sleep 0.3"
    scripts = [script([calls(bash(command.format(n))), calls(FINISH)], prompt=f"Do {n}.") for n in range(3)]
    ran = await run_tasks(tasks, scripts)
    assert ran.outcome.state.count("completed") == 3
    spans = {t.id: (t.started_at, t.finished_at) for t in ran.outcome.state.tasks.values()}
    assert spans["t1"][0] >= spans["t0"][1]
    assert spans["t2"][0] < spans["t0"][1]
    for n, folder in enumerate(("same", "same", "other")):
        assert (ran.folder / folder / f"{n}.txt").read_text().split() == [
            str(ran.folder / folder),
            f"value-{n}",
        ]
    assert "share the directory same" in ran.results["run"]["warnings"][0]


async def test_stop_drains_and_a_second_stop_ends_at_once(run_tasks: Any) -> None:
    engines: list[Any] = []
    tasks = [{"id": f"t{n}", "dir": f"d{n}", "first_prompt": f"Do {n}."} for n in range(3)]
    slow = script([calls(bash("sleep 600"))], prompt="Do 0.")
    quick = script([calls(bash("sleep 0.5")), made("a"), calls(FINISH)], prompt="Do 1.")

    def watch(event: e.Event, state: Any) -> None:
        if isinstance(event, e.ToolCalled) and state.count("coding") == 2 and len(stops) == 0:
            stops.append("drain")
            engines[0].signal()
        if isinstance(event, e.TaskFinished) and event.task_id == "t1":
            stops.append("now")
            engines[0].signal()

    stops: list[str] = []
    ran = await run_tasks(tasks, [slow, quick], parallel="2", on_start=engines.append, on_event=watch)
    statuses = {t.id: t.status for t in ran.outcome.state.tasks.values()}
    assert statuses == {"t0": "cancelled", "t1": "completed", "t2": "cancelled"}
    assert stops[:2] == ["drain", "now"]
    assert ran.outcome.exit_code == 130
    assert ran.results["run"]["interrupted"] is True


async def test_long_conversations_are_compacted(run_tasks: Any, tmp_path: Path) -> None:
    lots = calls(bash("head -c 20000 /dev/zero | tr '\\0' 'x'"))
    coder = [
        lots,
        made("a"),
        made("b"),
        calls(write("c")),
        lots,
        calls(write("d")),
        lots,
        calls(FINISH),
    ]
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "coder.toml").write_text("[model]\ncontext_window = 16000\n", encoding="utf-8")
    ran = await run_tasks([task()], [script(coder)])
    assert ran.task.status == "completed", ran.task.error
    notices = [n.text for n in ran.of_type(e.Notice)]
    assert any("compacted" in text for text in notices)
    sizes = [len(json.dumps(r["messages"])) for r in ran.coder_requests()]
    assert min(b - a for a, b in itertools.pairwise(sizes)) < 0


async def test_what_an_endpoint_cannot_do_is_learnt_and_told(run_tasks: Any) -> None:
    refuse = {"tools", "json_schema", "json_object", "temperature", "max_tokens", "parallel_tool_calls"}
    coder = [calls(write("a")), calls(bash("cat a")), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder)], server={"refuse": refuse}, tool_mode="auto")
    assert ran.task.status == "completed", ran.task.error
    told = " ".join(n.text for n in ran.of_type(e.Notice))
    assert "tool calls" in told
    assert "json_schema" in told
    assert ran.task.usage.calls == 4


async def test_missing_usage_is_estimated_and_marked(run_tasks: Any) -> None:
    coder = [Say(calls=[write("a")], usage=False), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder)])
    assert ran.task.usage.estimated
    assert ran.task.usage.input > 100
    assert ran.results["results"][0]["result"]["tokenStats"]["estimated"] is True


async def test_reasoning_is_sent_back(run_tasks: Any) -> None:
    coder = [Say(calls=[write("a")], reasoning="First the file."), calls(FINISH)]
    ran = await run_tasks([task()], [script(coder)])
    assert ran.coder_requests()[1]["messages"][2]["reasoning_content"] == "First the file."


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, headers={"retry-after-ms": "20"}),
        Fault(status=503),
        Fault(kind="disconnect"),
        Fault(kind="garbage"),
    ],
    ids=["429", "503", "disconnect", "garbage"],
)
async def test_passing_faults_are_retried_and_counted(run_tasks: Any, fault: Fault) -> None:
    ran = await run_tasks([task()], [script([fault, made("a"), calls(FINISH)])])
    assert ran.task.status == "completed"
    assert ran.task.attempts == 4
    assert len(ran.of_type(e.ModelCallRetried)) == 1
    assert ran.task.usage.calls == 3


async def test_no_quota_stops_the_run(run_tasks: Any) -> None:
    quota = Fault(status=429, code="insufficient_quota", message="You exceeded your quota.", times=1000)
    tasks = [{"id": f"t{n}", "dir": f"d{n}", "first_prompt": "Do it."} for n in range(3)]
    ran = await run_tasks(tasks, [script([quota, calls(FINISH)])], parallel="1")
    assert len(ran.server.requests) == 1
    assert "quota" in ran.results["run"]["error"]
    assert ran.outcome.exit_code == 1


async def test_two_models_and_their_bills(run_tasks: Any, tmp_path: Path) -> None:
    prices = '[models."rehearsal-coder"]\ninput = 1.0\noutput = 2.0\n'
    prices += '[models."rehearsal-evaluator"]\ninput = 10.0\noutput = 20.0\n'
    (tmp_path / "prices.toml").write_text(prices, encoding="utf-8")
    ran = await run_tasks([task()], [script([made("a"), calls(FINISH)])])
    coder, judge = ran.task.bills
    assert coder.cost == pytest.approx((coder.usage.input + 2 * coder.usage.output) / 1e6)
    assert judge.cost == pytest.approx((10 * judge.usage.input + 20 * judge.usage.output) / 1e6)
    assert ran.results["summary"]["cost"]["total"] == pytest.approx(ran.task.cost)


async def test_lone_surrogates_and_control_characters_do_no_harm(run_tasks: Any) -> None:
    odd = "half \ud800 of a pair, \x00 and \x1b[31m"
    coder = [Say(content=odd, calls=[write("a", odd), bash("echo " + odd)]), Say(content=odd), calls(FINISH)]
    judge = [say({**INCOMPLETE, "follow_up_prompt": odd, "missing": [odd]}), say(COMPLETE)]
    ran = await run_tasks([task()], [script([*coder, made("b"), calls(FINISH)], judge)])
    assert ran.task.status == "completed", ran.task.error
    assert ran.results["summary"]["completedTasks"] == 1


async def test_an_overflow_teaches_the_window_and_is_retried_once(run_tasks: Any) -> None:
    lots = [calls(bash(f"head -c 9000 /dev/zero | tr '\\0' '{digit}'")) for digit in "12345678"]
    ran = await run_tasks(
        [task()], [script([made("a"), *lots, calls(FINISH)])], server={"context_window": 12_000}
    )
    assert ran.task.status == "completed", ran.task.error
    refused = [r for r in ran.server.requests if r.status == 400]
    assert len(refused) == 1
    assert any("compacted" in n.text for n in ran.of_type(e.Notice))
