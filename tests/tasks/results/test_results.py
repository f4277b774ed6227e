import json
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.files import check_writable, write_document
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.spending.pricing import ComparisonRow
from agentbatch.tasks.results.document import results_document
from agentbatch.usage import Usage
from tests.support.run_events import run_started

SUMMARY_KEYS = {
    "totalTasks", "completedTasks", "failedTasks", "timeoutTasks", "maxConcurrent", "timestamp", "totalTokenStats",
}  # fmt: skip
TOTAL_TOKEN_KEYS = {"totalTokens", "promptTokens", "completionTokens", "calls"}
RESULT_KEYS = {"taskIndex", "task", "result", "duration", "timestamp"}
TASK_RESULT_KEYS = {"status", "iterations", "tokenStats", "lastResponse", "lastEvaluation"}
"""The original's keys: scripts written for its files must go on working."""


def folded(events: list[e.Event]) -> RunState:
    state = RunState()
    for n, event in enumerate(events):
        state.apply(event.model_copy(update={"seq": n + 1, "ts": 1000.0 + n}))
    return state


def queued(task_id: str, index: int) -> e.TaskQueued:
    return e.TaskQueued(task_id=task_id, index=index, dir=f"d/{task_id}", first_prompt="p", max_iterations=3)


def finished(task_id: str, status: e.FinalStatus, reason: e.Reason, error: str = "") -> e.TaskFinished:
    return e.TaskFinished(task_id=task_id, status=status, reason=reason, error=error, last_response="r")


def a_run() -> RunState:
    start = run_started(4)
    call = e.ModelCallFinished(
        task_id="b", role="coder", model="c", usage=Usage(input=100, output=20, calls=1), cost=0.5,
        cost_input=0.25, cost_output=0.25, latency=1, attempts=1,
    )  # fmt: skip
    return folded(
        [
            start,
            queued("b", 1),
            queued("a", 0),
            queued("c", 2),
            queued("d", 3),
            e.TaskStarted(task_id="b"),
            call,
            finished("b", "completed", "accepted"),
            finished("a", "error", "stalled", "no progress"),
            finished("c", "timeout", "max_iterations", "not accepted"),
        ]
    )


def test_the_originals_keys_are_all_there() -> None:
    document = results_document(a_run(), [ComparisonRow("m", 0.1, 0.2, 0.3)], 2000.0)
    assert set(document["summary"]) >= SUMMARY_KEYS
    assert set(document["summary"]["totalTokenStats"]) >= TOTAL_TOKEN_KEYS
    for entry in document["results"]:
        assert set(entry) >= RESULT_KEYS
        assert set(entry["task"]) >= {"dir", "first_prompt"}
        assert set(entry["result"]) >= TASK_RESULT_KEYS
        assert set(entry["result"]["tokenStats"]) >= TOTAL_TOKEN_KEYS | {"averageTokensPerCall"}
        assert ("error" in entry["result"]) == (entry["task"]["id"] in "ac")


def test_figures_and_order() -> None:
    document = results_document(a_run(), [ComparisonRow("m", 0.1, 0.2, 0.3)], 2000.0)
    summary = document["summary"]
    counts = [summary[f"{k}Tasks"] for k in ("total", "completed", "failed", "timeout", "cancelled")]
    assert counts == [4, 1, 1, 1, 1]
    assert summary["successRate"] == 0.25
    assert summary["errorCauses"] == {"stalled": 1, "max_iterations": 1, "queued": 1}
    assert [r["task"]["id"] for r in document["results"]] == ["a", "b", "c", "d"]
    assert [r["taskIndex"] for r in document["results"]] == [0, 1, 2, 3]
    assert document["results"][3]["result"]["status"] == "cancelled"
    b = document["results"][1]
    assert b["duration"] == 2000
    assert b["result"]["cost"]["byRole"] == {"coder": 0.5}
    assert b["result"]["tokenStats"]["averageTokensPerCall"] == 120
    assert summary["costComparison"][0]["totalCost"] == 0.3
    json.dumps(document)


async def test_documents_are_put_in_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    await write_document(path, "new \ud800")
    assert path.read_text(encoding="utf-8") == "new \\ud800"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_results_file_that_cannot_be_written_is_found_out_before(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "results.json")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="is a folder; name a file"):
        check_writable(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        check_writable(tmp_path / "file" / "results.json")
    with pytest.raises(UserError, match="cannot be written"):
        check_writable(Path("/proc/results.json"))


async def test_a_link_stays_a_link_and_a_device_is_refused(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    await write_document(link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    with pytest.raises(UserError, match="is a device or a pipe"):
        check_writable(Path("/dev/null"))
