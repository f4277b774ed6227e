import json
from pathlib import Path
from typing import Any

import pytest

from agentbatch.errors import UserError
from agentbatch.files import as_json, write_atomic
from agentbatch.runs import events as e
from agentbatch.runs.listing import condition
from agentbatch.runs.state.task_state import Said
from agentbatch.tasks.results.document import results_document
from agentbatch.tasks.results.reading import read_results_file
from agentbatch.tasks.results.to_state import state_of
from agentbatch.tasks.spec.make_plan import task_ids
from agentbatch.tasks.spec.task import Task
from agentbatch.usage import Usage
from tests.runs.finished_run import VERDICT, a_finished_run
from tests.support.results_files import OLD, shown
from tests.support.run_events import NOON

"""What the original runner wrote, and nothing more."""


def old(*path: str | int, value: object = None) -> dict[str, Any]:
    """OLD with the value at `path` replaced, or taken out when it is None."""
    document = json.loads(json.dumps(OLD))
    place = document
    for part in path[:-1]:
        place = place[part]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document  # type: ignore[no-any-return]


def test_what_a_screen_shows_comes_back_from_the_results_file(tmp_path: Path) -> None:
    run = a_finished_run()
    path = tmp_path / "results.json"
    write_atomic(path, as_json(results_document(run, [], NOON + 100)))
    assert shown(read_results_file(path)) == shown(run)


def test_lone_surrogates_come_back_too(tmp_path: Path) -> None:
    run = a_finished_run(answer="half a pair: \ud800")
    path = tmp_path / "results.json"
    write_atomic(path, as_json(results_document(run, [], NOON + 100)))
    assert read_results_file(path).tasks["parser"].last_response == "half a pair: \ud800"


def test_what_was_said_comes_back_with_what_was_heard_of_it() -> None:
    run = a_finished_run()
    task = run.tasks["parser"]
    said = (Said(seq=70, ts=NOON, text="做", by="me", token="t"), Said(seq=90, ts=NOON + 1, text="b"))
    run.put(task.model_copy(update={"said": said, "heard": 80}))
    found = state_of(results_document(run, [], NOON)).tasks["parser"]
    assert [(one.text, one.by, one.ts, one.seq <= found.heard) for one in found.said] == [
        ("做", "me", NOON, True),
        ("b", "", NOON + 1, False),
    ]


def test_a_task_that_had_not_ended_counts_as_cancelled_and_can_go_on() -> None:
    run = a_finished_run()
    run.apply(e.TaskQueued(task_id="late", index=9, dir="l", first_prompt="p", max_iterations=2))
    late = state_of(results_document(run, [], NOON + 100)).tasks["late"]
    assert (late.status, late.resumable, late.begun, late.max_iterations) == ("cancelled", True, False, 2)


def test_the_tokens_of_two_models_of_one_role_stay_apart() -> None:
    run = a_finished_run()
    first, second = state_of(results_document(run, [], NOON)).tasks["csv"].bills
    assert (first.model, first.usage.input, second.model, second.usage.input) == (
        "m-coder",
        12_000,
        "m-big",
        500,
    )


def test_what_was_drafted_comes_back_and_is_summed_up() -> None:
    run = a_finished_run()
    draft = e.ModelCallFinished(
        task_id="csv",
        role="coder",
        model="m-coder",
        usage=Usage(input=100, output=10, calls=1),
        cost=0.25,
        stronger="m-big",
        stronger_cost=2.25,
        latency=1.0,
        attempts=1,
    )
    run.apply(draft)
    document = results_document(run, [], NOON)
    assert state_of(document).tasks["csv"].bills == run.tasks["csv"].bills
    escalation = document["summary"]["escalation"]
    assert (escalation["tasks"], escalation["takenOver"], escalation["completedBefore"]) == (1, 1, 0)
    assert (escalation["drafted"]["saved"], escalation["drafted"]["totalTokens"]) == (2.0, 110)
    assert results_document(a_finished_run(), [], NOON)["summary"]["escalation"] is None


def test_a_file_of_version_0_1_has_tokens_by_role() -> None:
    document = results_document(a_finished_run(), [], NOON + 100)
    for entry in document["results"]:
        del entry["result"]["maxIterations"]
        for line in entry["result"]["cost"]["byModel"]:
            for key in [key for key in line if "Tokens" in key or key == "estimated"]:
                del line[key]
    state = state_of(document)
    assert state.usage.total == a_finished_run().usage.total
    assert [task.cost for task in state.tasks.values()] == [t.cost for t in a_finished_run().tasks.values()]
    assert {task.max_iterations for task in state.tasks.values()} == {0}


def test_a_file_of_the_original(tmp_path: Path) -> None:
    path = tmp_path / "batch_results.json"
    path.write_text("\ufeff" + json.dumps(OLD), encoding="utf-8")
    state = read_results_file(path)
    assert state.info is not None
    assert (state.info.run_id, state.info.coder_model, state.info.mode) == ("", "", "parallel")
    assert (state.max_concurrent, state.info.total_tasks) == (2, 3)
    assert {status: number for status, number in state.counts.items() if number} == {
        "completed": 1,
        "error": 1,
        "timeout": 1,
    }
    assert state.usage == Usage(input=1200, output=300, calls=6)
    assert state.cost is None  # unknown, not free
    assert state.seconds(0.0) == 61.0  # from the first start to the file's own time
    first, second, third = state.tasks.values()
    assert [task.duration(0.0) for task in (first, second, third)] == [20.0, 40.0, 60.0]
    assert (first.cost, first.reason, first.verdicts, first.max_iterations) == (None, None, (), 0)
    assert (first.last_response, first.last_evaluation) == ("did a", "it is there")
    assert (second.error, third.iteration, third.index) == ("HTTP 500", 3, 2)
    assert [task.finished for task in state.tasks.values()] == [True] * 3


def test_a_task_of_the_original_has_the_id_that_it_would_have_with_us() -> None:
    tasks = [Task(dir=f"work/{name}", first_prompt=f"write {name}") for name in "abc"]
    assert list(state_of(OLD).tasks) == task_ids(tasks)
    twice = state_of(old("results", 1, "task", value={"dir": "work/a", "first_prompt": "write a"}))
    assert list(twice.tasks)[:2] == [task_ids(tasks)[0], f"{task_ids(tasks)[0]}-2"]


def test_evaluations_with_checks_and_quotes_come_back_as_they_were() -> None:
    quote = {"ref": "C2", "quote": "8", "where": "command, exit 0: python3 prog.py"}
    verdict = {
        **VERDICT,
        "requirements": [{"text": "it prints 8", "met": True, "evidence": [quote]}],
        "checks": [],
    }
    checks = [
        e.CheckLine(kind="sound", command="the form of the changed files", passed=True),
        e.CheckLine(
            kind="own", command="./check", passed=False, requirement="it adds", note="Wrong.", counts=False
        ),
    ]
    state = a_finished_run()  # whose verdicts are of before: evidence is text, and there are no checks
    state.apply(
        e.VerdictReached(
            task_id="parser", iteration=3, accepted=True, verdict=verdict, checks=checks, decision="done"
        )
    )
    state.apply(e.TaskFinished(task_id="parser", status="completed", reason="accepted"))
    document = results_document(state, [], NOON)
    result = document["results"][0]["result"]
    assert result["checks"] == {
        "sound": {"passed": 1, "failed": 0, "notCounted": 0},
        "own": {"passed": 0, "failed": 0, "notCounted": 1},
    }
    back = state_of(json.loads(json.dumps(document)))
    assert back.tasks["parser"].verdicts == state.tasks["parser"].verdicts


def test_what_the_original_left_out_is_unknown() -> None:
    bare = state_of({"summary": {}, "results": [{"task": {"dir": "d"}, "result": {"status": "completed"}}]})
    (task,) = bare.tasks.values()
    assert (task.cost, task.usage.total, task.duration(0.0), task.finished) == (None, 0, 0.0, True)
    assert (bare.cost, bare.seconds(0.0)) == (None, 0.0)


def test_an_empty_run_is_a_run() -> None:
    state = state_of({"summary": {"timestamp": "2027-01-15T12:00:00Z"}, "results": []})
    assert (len(state.tasks), state.seconds(0.0), condition(state, held=False)) == (0, 0.0, "finished")


RESULT: tuple[str | int, ...] = ("results", 0, "result")
BOSS = {"byModel": [{"role": "boss", "model": "m"}]}
HALF_A_VERDICT = {
    "iteration": 1,
    "accepted": True,
    "verdict": {
        "requirements": [],
        "missing": [],
        "complete": True,
        "blocked": False,
        "follow_up_prompt": "",
    },
    "refusals": [],
    "tampering": [],
    "follow_up": "",
}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("summary",), [], "summary must be an object, not []."),
        (("results",), {"a": 1}, "results must be a list, not"),
        (("results", 1, "task"), None, "results[1].task is missing."),
        (("results", 1, "result", "status"), None, "results[1].result.status is missing."),
        ((*RESULT, "status"), "running", "results[0].result.status must be 'completed', "),
        ((*RESULT, "lastResponse"), 7, "results[0].result.lastResponse must be text, not 7."),
        ((*RESULT, "iterations"), "1", "results[0].result.iterations must be a whole number, not '1'."),
        ((*RESULT, "resumable"), 1, "results[0].result.resumable must be true or false, not 1."),
        ((*RESULT, "tokenStats"), [], "results[0].result.tokenStats must be an object, not []."),
        (("results", 0, "duration"), -1, "results[0].duration must be 0 or more, not -1."),
        (("summary", "maxConcurrent"), 10**18, "summary.maxConcurrent must be 1,000,000,000,000,000 or less"),
        (
            ("summary", "timestamp"),
            "now",
            "summary.timestamp must be a time like 2026-01-31T12:00:00Z, not 'now'.",
        ),
        (("summary", "timestamp"), "0001-01-01T00:00:00", "summary.timestamp must be a time like"),
        (("results", 0, "task", "id"), "", "results[0].task.id"),
        (
            (*RESULT, "cost"),
            BOSS,
            "results[0].result.cost.byModel[0].role must be 'coder', 'evaluator' or 'request', not 'boss'.",
        ),
        ((*RESULT, "verdicts"), [{"iteration": 1}], "results[0].result.verdicts[0].accepted is missing."),
        ((*RESULT, "verdicts"), [HALF_A_VERDICT], "results[0].result.verdicts[0].verdict.score is missing."),
    ],
)
def test_a_wrong_shape_is_told_with_its_place(
    path: tuple[str | int, ...], value: object, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "r.json"
    file.write_text(json.dumps(old(*path, value=value)), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_results_file(file)
    assert str(caught.value).startswith(f"{file}: this results file cannot be shown: ")
    assert problem in str(caught.value)


def test_two_results_with_one_id_are_refused() -> None:
    document = old("results", 0, "task", "id", value="x")
    document["results"][1]["task"]["id"] = "x"
    with pytest.raises(UserError, match="the task id 'x' is given to two results"):
        state_of(document)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"summary": {},\n  "results": [}', "not valid JSON at line 2, column 15: "),
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text (byte 0)"),
        (b"[1, 2]", "is not a results file: it has no `summary` and no `results`"),
        (b'{"tasks": []}', "is not a results file: it has no `summary` and no `results`"),
        (b'{"results": []}', "is not a results file: it has no `summary`."),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"summary": {"maxConcurrent": NaN}, "results": []}', "NaN is not a JSON number"),
        (b'{"summary": {"maxConcurrent": ' + b"9" * 5_000 + b'}, "results": []}', "not a results file"),
    ],
)
def test_a_broken_file_is_told_in_a_sentence(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_results_file(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_no_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    for path, problem in (
        (tmp_path / "none.json", "There is no results file"),
        (tmp_path, "is a folder"),
        (Path("/dev/zero"), "is a device or a pipe"),
        (Path("a\0b"), "cannot be read"),
    ):
        with pytest.raises(UserError, match=problem):
            read_results_file(path)


def test_a_file_beyond_the_limit_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with open(path, "wb") as file:
        file.truncate(256 * 1024 * 1024 + 1)  # takes no room on the disk
    with pytest.raises(UserError, match="larger than 256 MB"):
        read_results_file(path)


def test_results_are_in_the_order_of_the_task_file() -> None:
    """Places that are missing or given twice say nothing: then the file's own order holds."""
    document = old("results", value=list(reversed(OLD["results"])))
    assert [task.index for task in state_of(document).tasks.values()] == [0, 1, 2]
    assert [task.dir for task in state_of(document).tasks.values()] == ["work/a", "work/b", "work/c"]
    document["results"][0]["taskIndex"] = 0
    assert [(task.index, task.dir) for task in state_of(document).tasks.values()] == [
        (0, "work/c"),
        (1, "work/b"),
        (2, "work/a"),
    ]
