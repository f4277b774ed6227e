"""Turn limits, overflows, retries and interruptions, in whole runs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Fault, Say, Script, ScriptedCall
from agentbatch.runs import events as e
from agentbatch.tasks.coders.builtin.conversation import assert_paired
from tests.support.clocks import MovedClock
from tests.tasks.run.verdicts import COMPLETE

OVERFLOW = Fault(status=400, code="context_length_exceeded", message="This is too long.")


def write(path: str, content: str = "x\n") -> ScriptedCall:
    return ScriptedCall(name="write_file", arguments={"path": path, "content": content})


def bash(command: str) -> ScriptedCall:
    return ScriptedCall(name="bash", arguments={"command": command})


def calls(*scripted: ScriptedCall) -> Say:
    return Say(calls=list(scripted))


def made(path: str) -> Say:
    """A file that is written and then used, so that `finish` is taken at once."""
    return calls(write(path), bash(f"cat {path}"))


FINISH = calls(ScriptedCall(name="finish", arguments={"summary": "Done."}))
BROKEN = calls(ScriptedCall(name="bash", arguments="{"))


def script(*coder: Say | Fault, judge: tuple[Say | Fault, ...] = ()) -> Script:
    return Script(prompt="Do it.", coder=list(coder), evaluator=[*judge, Say(verdict=COMPLETE)])


def task(**fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": "Do it.", **fields}


def agent(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "agents").mkdir(exist_ok=True)
    (tmp_path / "agents" / f"{name}.toml").write_text(text, encoding="utf-8")


def contents(messages: list[dict[str, Any]], role: str) -> list[str]:
    return [m["content"] for m in messages if m["role"] == role]


@pytest.mark.parametrize(
    ("limits", "steps", "told"),
    [
        ("steps = 4", 4, "used up its steps"),
        ("tokens = 3000", 3, "used up its tokens"),
        ("cost = 0.003", 3, "used up its money"),
    ],
)
async def test_a_turn_ends_at_its_limit(
    run_tasks: Any, tmp_path: Path, limits: str, steps: int, told: str
) -> None:
    agent(tmp_path, "coder", f"[limits]\n{limits}\n")
    (tmp_path / "prices.toml").write_text('[models."rehearsal-coder"]\ninput = 1.0\noutput = 0.0\n')
    coder = [calls(write(str(n))) for n in range(8)]
    ran = await run_tasks([task(max_iterations=1)], [script(*coder)])
    assert ran.task.status == "timeout"
    assert told in ran.task.verdicts[0].refusals[0]
    assert len(ran.coder_requests()) == steps


async def test_a_near_limit_is_told_once(run_tasks: Any, tmp_path: Path) -> None:
    agent(tmp_path, "coder", "[limits]\nsteps = 20\n")
    ran = await run_tasks([task()], [script(*[calls(write(str(n))) for n in range(18)], FINISH)])
    assert ran.task.status == "completed"
    warned = [
        text for text in contents(ran.coder_requests()[-1]["messages"], "user") if "left in this" in text
    ]
    assert len(warned) == 1
    assert warned[0].startswith("You have 5 steps left in this turn.")


async def test_format_errors_count_only_in_a_row(run_tasks: Any) -> None:
    coder = [BROKEN, BROKEN, made("a"), BROKEN, BROKEN, FINISH]
    ran = await run_tasks([task()], [script(*coder)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)


async def test_one_good_call_makes_a_reply_good(run_tasks: Any) -> None:
    half_broken = [calls(write(str(n)), *BROKEN.calls) for n in range(4)]
    ran = await run_tasks([task()], [script(*half_broken, FINISH)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)


async def test_text_that_was_cut_off_is_no_report(run_tasks: Any) -> None:
    coder = [made("a"), Say(content="And then I", finish_reason="length"), FINISH]
    ran = await run_tasks([task()], [script(*coder)])
    assert ran.task.last_response == "Done."
    assert "cut off at the output limit" in ran.coder_requests()[2]["messages"][-1]["content"]


async def test_text_without_tools_ends_the_turn_the_second_time(run_tasks: Any) -> None:
    coder = [Say(content="I would."), Say(content="I really would."), made("a")]
    ran = await run_tasks([task(max_iterations=1)], [script(*coder)])
    assert (len(ran.coder_requests()), ran.task.last_response) == (2, "I really would.")


async def test_where_nothing_was_done_or_said_no_judge_is_paid(run_tasks: Any) -> None:
    ran = await run_tasks([task(max_iterations=1)], [script(*[Say(content="")] * 3)])
    assert ran.task.status == "timeout"
    assert ran.evaluator_requests() == []


async def test_an_overflow_of_the_coder_compacts_and_asks_again(run_tasks: Any) -> None:
    lots = [calls(bash(f"seq {n}000 {n}999")) for n in range(1, 8)]
    ran = await run_tasks([task()], [script(*lots, OVERFLOW, FINISH)])
    assert ran.task.status == "completed", ran.task.error
    refused, again = ran.coder_requests()[7:9]
    assert len(json.dumps(again["messages"])) < len(json.dumps(refused["messages"]))
    assert_paired(again["messages"])
    assert any("compacted from about" in notice.text for notice in ran.of_type(e.Notice))


async def test_an_overflow_of_the_judge_shortens_the_diff(run_tasks: Any) -> None:
    big = "\n".join(f"line {n}" for n in range(5000))
    ran = await run_tasks([task()], [script(calls(write("a", big)), FINISH, judge=(OVERFLOW,))])
    assert (ran.task.status, ran.task.iteration) == ("completed", 1)
    first, second = (len(r["messages"][1]["content"]) for r in ran.evaluator_requests())
    assert second < first / 2


async def test_the_judge_sees_the_commands_and_the_checks(run_tasks: Any) -> None:
    coder = [calls(bash("echo from-the-coder; exit 4")), FINISH]
    ran = await run_tasks([task(verify="echo from-the-check")], [script(*coder)])
    shown = ran.evaluator_requests()[0]["messages"][1]["content"]
    assert "\n[C1] command, exit 4: echo from-the-coder; exit 4\nfrom-the-coder\n" in shown
    assert "\n[V1] verify, passed: echo from-the-check\nfrom-the-check\n" in shown


async def test_verify_stops_at_the_first_failure(run_tasks: Any) -> None:
    checks = ["true", "exit 5", "touch too-far"]
    ran = await run_tasks([task(verify=checks, max_iterations=1)], [script(made("a"), FINISH)])
    assert [event.exit_code for event in ran.of_type(e.CheckFinished)] == [0, 5]
    assert not (ran.folder / "work" / "too-far").exists()


async def test_verify_has_its_own_time_limit(run_tasks: Any, tmp_path: Path) -> None:
    agent(tmp_path, "evaluator", "[limits]\nverify_timeout = 0.3\n")
    ran = await run_tasks([task(verify="sleep 30", max_iterations=1)], [script(made("a"), FINISH)])
    assert ran.task.reason == "max_iterations"
    assert ran.task.verdicts[0].refusals == ["The check `sleep 30` failed: ran out of time."]


async def test_a_judge_with_an_unusable_key_stops_the_run(run_tasks: Any) -> None:
    tasks = [task(), {**task(), "id": "u", "dir": "other"}]
    refused = Fault(status=401, message="No such key.", times=1000)
    ran = await run_tasks(tasks, [script(made("a"), FINISH, judge=(refused,))], parallel="1")
    assert [t.reason for t in ran.outcome.state.tasks.values()] == ["model_error", "interrupted"]
    assert "401" in ran.results["run"]["error"]


async def test_a_retried_call_is_seen_waiting_and_going_on(run_tasks: Any) -> None:
    ran = await run_tasks([task()], [script(Fault(status=503), made("a"), FINISH)])
    assert ran.task.status == "completed"
    kinds = (e.ModelCallRetried, e.ModelCallSent, e.ModelCallFinished)
    seen = [type(event) for event in ran.events if isinstance(event, kinds)]
    assert seen[:3] == list(kinds)
    assert ran.results["results"][0]["result"]["attempts"] == 4


async def test_a_call_that_fails_for_good_ends_and_counts_its_attempts(run_tasks: Any) -> None:
    ran = await run_tasks([task()], [script(Fault(times=1000))], max_retries="2")
    (finished,) = ran.of_type(e.ModelCallFinished)
    assert (finished.attempts, finished.usage.calls) == (3, 0)
    assert "500" in finished.error
    assert (ran.task.reason, ran.task.attempts, ran.task.steps) == ("model_error", 3, 0)


async def test_a_request_may_take_only_so_long(run_tasks: Any) -> None:
    hanging = Fault(kind="hang", times=1000)
    ran = await run_tasks([task()], [script(hanging)], request_timeout="0.3", max_retries="0")
    assert ran.task.reason == "model_error"


async def test_no_more_requests_at_once_than_allowed(run_tasks: Any) -> None:
    tasks = [{**task(), "id": f"t{n}", "dir": f"d{n}"} for n in range(3)]
    server = {"latency": 0.05}
    ran = await run_tasks(tasks, [script(made("a"), FINISH)], server=server, parallel="3", max_in_flight="1")
    assert (ran.outcome.state.count("completed"), ran.server.peak_in_flight) == (3, 1)


@pytest.mark.parametrize("limit", [{"rpm": "1"}, pytest.param({"tpm": "1500"}, marks=pytest.mark.slow)])
async def test_a_rate_limit_is_kept_and_its_wait_is_seen(run_tasks: Any, limit: dict[str, str]) -> None:
    engines: list[Any] = []

    def stop(event: e.Event, _: Any) -> None:
        if isinstance(event, e.RateLimited):
            asyncio.get_running_loop().call_later(0.5, engines[0].stop_now)

    ran = await run_tasks(
        [task()], [script(made("a"), FINISH)], on_start=engines.append, on_event=stop, **limit
    )
    assert (ran.task.reason, len(ran.server.requests)) == ("interrupted", 1)
    assert [event.wait > 10 for event in ran.of_type(e.RateLimited)] == [True]


@pytest.mark.slow
async def test_an_interrupted_call_is_answered_in_the_transcript(run_tasks: Any) -> None:
    coder = calls(bash("true"), bash("sleep 100"), write("never"))
    clock = MovedClock()

    def run_out(event: e.Event, _: Any) -> None:
        if isinstance(event, e.ToolFinished):
            asyncio.get_running_loop().call_later(0.5, clock.move_on, 60)

    ran = await run_tasks([task(timeout=60)], [script(coder)], on_event=run_out)
    transcript = json.loads((ran.task_folder("t") / "coder.traj.json").read_text(encoding="utf-8"))
    assert_paired(transcript["messages"])
    answers = contents(transcript["messages"], "tool")
    assert [text.partition(":")[0] for text in answers[1:]] == ["Interrupted", "Not run"]
    assert transcript["info"]["exit_status"] == "wall_clock"
