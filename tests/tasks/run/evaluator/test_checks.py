"""The task's own checks: told to the coder, run first, and deciding alone where there is no evaluator."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.api import run_batch
from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from agentbatch.runs import events as e
from agentbatch.tasks.run.prepare.prepare import prepare
from tests.support.keys import KEY
from tests.tasks.run.verdicts import COMPLETE

INCOMPLETE = {**COMPLETE, "complete": False, "missing": ["the rest"], "follow_up_prompt": "Look again."}
CHECK = "grep -q yes a || { for n in $(seq 60); do echo /some/path/line$n; done; exit 3; }"


def write(content: str, path: str = "a") -> ScriptedCall:
    return ScriptedCall(name="write_file", arguments={"path": path, "content": content})


def say(*scripted: ScriptedCall) -> Say:
    return Say(calls=list(scripted))


FINISH = ScriptedCall(name="finish", arguments={"summary": "Done."})


def turn(content: str) -> Say:
    return say(write(content), FINISH)


def script(*coder: Say, judge: tuple[dict[str, Any], ...] = (COMPLETE,)) -> Script:
    return Script(prompt="Do it.", coder=list(coder), evaluator=[Say(verdict=v) for v in judge])


def task(verify: str | list[str] = CHECK, **fields: Any) -> dict[str, Any]:
    return {"id": "t", "dir": "work", "first_prompt": "Do it.", "verify": verify, **fields}


def prompts(ran: Any) -> list[str]:
    return [event.prompt for event in ran.of_type(e.IterationStarted)]


def verdicts(ran: Any) -> list[tuple[str, bool, bool]]:
    return [(v.decided_by, v.accepted, v.verdict is not None) for v in ran.of_type(e.VerdictReached)]


async def test_the_coder_is_told_of_its_checks_and_the_judge_sees_the_task_alone(run_tasks: Any) -> None:
    ran = await run_tasks([task("test -s a")], [script(turn("yes"))])
    assert prompts(ran) == ["Do it.\n\nWhen you finish, this is run and must pass: `test -s a`"]
    assert ran.coder_requests()[0]["messages"][1]["content"] == prompts(ran)[0]
    evidence = ran.evaluator_requests()[0]["messages"][1]["content"]
    assert "When you finish" not in evidence
    assert "task, word for word]\nDo it.\n[/" in evidence


async def test_long_checks_are_shortened_in_the_middle(run_tasks: Any) -> None:
    checks = [f"true {letter * 5000} end" for letter in "ab"]
    ran = await run_tasks([task(checks)], [script(turn("yes"))])
    assert ran.task.status == "completed"
    (told,) = prompts(ran)
    assert len(told) < 2200
    assert told.count("characters left out") == 2
    assert "`true aaa" in told
    assert "bbb end`" in told


async def test_the_first_failure_of_a_check_goes_back_without_the_judge(run_tasks: Any) -> None:
    ran = await run_tasks([task()], [script(turn("no"), turn("yes"))])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert verdicts(ran) == [("verify", False, False), ("judge", True, True)]
    assert len(ran.evaluator_requests()) == 1
    told = prompts(ran)[1]
    assert told.startswith("Your work is not accepted yet.\n\nThis check must pass, and it failed:\n\n$ grep")
    assert "/some/path/line36\n" in told
    assert "line35\n" not in told
    assert "/some/path/line60\n(exit code 3)\n\nRead the error" in told
    first = ran.results["results"][0]["result"]["verdicts"][0]
    assert first["decided_by"] == "verify"
    assert first["verdict"] is None
    assert first["refusals"] == [f"The check `{CHECK}` failed: exit code 3."]


def unjudged(tmp_path: Path, failures: int) -> None:
    """How many failures of a check in a row go back without the judge."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents/evaluator.toml").write_text(f"[limits]\nunjudged_failed_checks = {failures}\n")


async def test_the_same_failure_again_gets_the_judges_fresh_look(run_tasks: Any, tmp_path: Path) -> None:
    unjudged(tmp_path, 1)
    coder = [turn("no"), turn("nope"), turn("yes")]
    ran = await run_tasks([task()], [script(*coder, judge=(COMPLETE, INCOMPLETE, COMPLETE))])
    assert (ran.task.status, ran.task.iteration) == ("completed", 3)
    assert verdicts(ran) == [("verify", False, False), ("judge", False, True), ("judge", True, True)]
    assert prompts(ran)[2].startswith("Look again.\n\nStill missing:\n- the rest")
    assert "line60\n(exit code 3)" in prompts(ran)[2]


async def test_another_check_that_fails_is_a_new_fact(run_tasks: Any) -> None:
    checks = ["grep -q one a", "grep -q two a", "grep -q three a"]
    coder = [turn("no"), turn("one"), turn("one two"), turn("one two three")]
    ran = await run_tasks([task(checks)], [script(*coder)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 4)
    assert [by for by, _, _ in verdicts(ran)] == ["verify"] * 3 + ["judge"]


async def test_what_the_latest_verdict_missed_is_kept_over_rounds_without_one(
    run_tasks: Any, tmp_path: Path
) -> None:
    unjudged(tmp_path, 1)
    coder = [turn("no"), turn("nope"), turn("one"), turn("one!"), turn("one two")]
    judge = (COMPLETE, {**INCOMPLETE, "missing": ["the rest of it"]}, COMPLETE, COMPLETE, COMPLETE)
    ran = await run_tasks([task(["grep -q one a", "grep -q two a"])], [script(*coder, judge=judge)])
    assert [by for by, _, _ in verdicts(ran)] == ["verify", "judge", "verify", "judge", "judge"]
    shown = [r["messages"][1]["content"] for r in ran.evaluator_requests()]
    assert ["- the rest of it" in text for text in shown] == [False, True, False]


@pytest.mark.parametrize(("limit", "asked"), [(0, 3), (1, 2), (2, 1)])
async def test_how_many_failures_go_back_is_a_setting(
    run_tasks: Any, tmp_path: Path, limit: int, asked: int
) -> None:
    unjudged(tmp_path, limit)
    coder = [turn("no"), turn("nope"), turn("yes")]
    ran = await run_tasks([task()], [script(*coder, judge=(INCOMPLETE, INCOMPLETE, COMPLETE))])
    assert (ran.task.status, ran.task.iteration) == ("completed", 3)
    assert len(ran.evaluator_requests()) == asked


async def test_a_question_is_answered_by_the_judge_whatever_the_check_says(run_tasks: Any) -> None:
    coder = [say(write("no")), Say(content="Which word?"), turn("yes")]
    ran = await run_tasks([task()], [script(*coder, judge=(INCOMPLETE, COMPLETE))])
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert prompts(ran)[1].startswith("Look again.")


async def test_the_same_files_and_the_same_failing_check_stall(run_tasks: Any, tmp_path: Path) -> None:
    unjudged(tmp_path, 1)
    judge = tuple({**INCOMPLETE, "missing": [f"in other words {n}"]} for n in range(5))
    ran = await run_tasks([task()], [script(turn("no"), *[say(FINISH)] * 5, judge=judge)])
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("error", "stalled", 3)
    assert ["change your approach" in text for text in prompts(ran)] == [False, False, True]


async def test_a_failed_check_says_nothing_about_the_evaluator(run_tasks: Any, tmp_path: Path) -> None:
    unjudged(tmp_path, 1)
    coder = [turn("no"), turn("nope"), turn("yes")]
    judge = [Say(content="prose"), Say(content="prose"), Say(verdict=COMPLETE)]
    ran = await run_tasks([task()], [Script(prompt="Do it.", coder=coder, evaluator=judge)])
    assert (ran.task.status, ran.task.iteration) == ("completed", 3)


ALONE = {"judge": "none"}


async def test_without_an_evaluator_the_checks_alone_decide_and_say_so(run_tasks: Any) -> None:
    ran = await run_tasks([task()], [script(turn("no"), turn("nope"), turn("yes"))], **ALONE)
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("completed", "accepted", 3)
    assert ran.evaluator_requests() == []
    assert verdicts(ran) == [("verify", False, False)] * 2 + [("verify", True, False)]
    result = ran.results["results"][0]["result"]
    assert result["decidedBy"] == "verify"
    assert result["verdicts"][-1]["refusals"] == []
    assert result["lastEvaluation"] == "Accepted by verify, no evaluator."
    assert (ran.results["run"]["judged"], ran.results["run"]["evaluatorModel"]) == (False, "none")
    log = (ran.outcome.run_folder / "run.log").read_text(encoding="utf-8")
    assert "evaluator none: each task's verify decides" in log
    assert "verdict 1: verify failed, not accepted (the judge was not asked)" in log
    assert "verdict 3: verify passed, accepted (the judge was not asked)" in log
    assert "task 1/1: accepted by verify, no evaluator" in log
    assert "evaluator" not in result["tokenStats"]["byRole"]


async def test_without_an_evaluator_the_gates_hold(run_tasks: Any) -> None:
    stuck = [say(write("yes")), *[say(ScriptedCall(name="bash", arguments={"command": "exit 1"}))] * 5]
    ran = await run_tasks([task(max_iterations=1)], [script(*stuck)], **ALONE)
    assert (ran.task.status, ran.task.reason) == ("timeout", "max_iterations")
    nothing = await run_tasks([task("true", max_iterations=1)], [script(say(FINISH))], **ALONE)
    assert nothing.task.verdicts[0].refusals == ["Nothing was changed and nothing ran since the task began."]


async def test_without_an_evaluator_a_failing_check_ends_as_always(run_tasks: Any) -> None:
    stalled = await run_tasks([task()], [script(turn("no"), *[say(FINISH)] * 5)], **ALONE)
    assert (stalled.task.reason, stalled.task.iteration) == ("stalled", 3)
    moving = [turn(f"no {n}") for n in range(9)]
    ran = await run_tasks([task(max_iterations=4)], [script(*moving)], **ALONE)
    assert (ran.task.status, ran.task.reason, ran.task.iteration) == ("timeout", "max_iterations", 4)


async def test_without_an_evaluator_a_question_gets_the_standing_answer(run_tasks: Any) -> None:
    coder = [say(write("no")), Say(content="Which word?"), turn("yes")]
    ran = await run_tasks([task()], [script(*coder)], **ALONE)
    assert (ran.task.status, ran.task.iteration) == ("completed", 2)
    assert prompts(ran)[1].startswith("Nobody answers questions here: take the plain reading")
    assert "(exit code 3)" in prompts(ran)[1]


async def test_without_an_evaluator_every_task_needs_checks(run_tasks: Any) -> None:
    tasks = [task(), *({"id": f"bare{n}", "dir": f"d{n}", "first_prompt": "Do it."} for n in range(2))]
    with pytest.raises(UserError, match=r"--evaluator none: .* missing in 2 tasks: bare0, bare1\."):
        await run_tasks(tasks, [script(turn("yes"))], **ALONE)


async def test_a_task_that_nothing_checked_is_never_accepted(tmp_path: Path) -> None:
    """Also when a run without an evaluator is put together by hand, past the check before it."""
    bare = {"id": "t", "dir": "work", "first_prompt": "Do it."}
    (tmp_path / "task.json").write_text(json.dumps({"tasks": [bare]}), encoding="utf-8")
    async with RehearsalServer([script(turn("yes"))]) as server:
        environ = {**os.environ, "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": server.base_url}
        settings = load_settings(
            {"coder_model": "rehearsal-coder", "max_iterations": "1"}, environ, folder=tmp_path
        )
        prepared = prepare(settings, folder=tmp_path, environ=environ)
        alone = settings.model_copy(update={"judge": "none"})
        outcome = await run_batch(replace(prepared, settings=alone))
    (found,) = outcome.state.tasks.values()
    assert (found.status, found.verdicts[0].refusals) == ("timeout", ["There is no verdict."])


async def test_without_an_evaluator_its_key_is_not_needed(run_tasks: Any) -> None:
    keys = {"OPENAI_API_KEY": "", "CODER_API_KEY": KEY}
    ran = await run_tasks([task()], [script(turn("yes"))], environ=keys, **ALONE)
    assert ran.task.status == "completed"
    assert json.dumps(ran.results).count("rehearsal-evaluator") == 0
