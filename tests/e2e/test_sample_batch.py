"""The sample batch, as README's first command runs it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import CHECKOUT

SAMPLE = CHECKOUT / "task.json"
LIGHT = ("web-page", "score-stats", "sales-report", "log-report")
"""Samples whose programs do little."""


@pytest.fixture
def light(folder: Path) -> None:
    tasks = {task["id"]: task for task in json.loads(SAMPLE.read_text(encoding="utf-8"))["tasks"]}
    (folder / "task.json").write_text(
        json.dumps({"tasks": [tasks[name] for name in LIGHT]}), encoding="utf-8"
    )


def test_all_ten_complete_twice_over_and_say_that_no_ai_was_there(agentbatch: Any, folder: Path) -> None:
    shutil.copy(SAMPLE, folder)
    for _ in range(2):
        done = agentbatch("--parallel", "3")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "10 tasks: 10 completed" in done.stdout
        assert done.stdout.count("rehearsal model: scripted replies, no AI") >= 2
        assert done.stderr == ""
    results = json.loads((folder / "parallel_batch_results.json").read_text(encoding="utf-8"))
    assert results["run"]["rehearsal"] is True
    assert results["summary"]["cost"]["total"] is None
    assert [r["result"]["status"] for r in results["results"]] == ["completed"] * 10
    # The one without `verify` is refused by a check that the evaluator wrote, and then accepted.
    (checked,) = (r["result"] for r in results["results"] if r["task"]["id"] == "character-frequency")
    first, last = checked["verdicts"]
    assert [(c["kind"], c["passed"]) for c in first["checks"] if not c["passed"]] == [("own", False)]
    assert last["accepted"] is True
    assert checked["checks"]["own"] == {"passed": 2, "failed": 0, "notCounted": 0}
    assert last["verdict"]["requirements"][0]["evidence"][0]["ref"] == "R1"  # what the judge ran itself
    assert all(q["where"] for r in last["verdict"]["requirements"] for q in r["evidence"])
    assert all(row["totalCost"] > 0 for row in results["summary"]["costComparison"])
    runs = sorted((folder / ".agentbatch" / "runs").iterdir())
    assert len(runs) == 2
    assert "no AI" in (runs[1] / "run.log").read_text(encoding="utf-8")
    # What the folder holds is what the tasks asked for, and nothing of ours but the runs.
    assert sorted(p.name for p in folder.iterdir()) == [
        ".agentbatch",
        "parallel_batch_results.json",
        "task.json",
        "workspace",
    ]


@pytest.mark.usefixtures("light")
@pytest.mark.slow
def test_modes_name_their_results_files(agentbatch: Any, folder: Path) -> None:
    assert agentbatch("--test", "--display", "none").returncode == 0
    results = json.loads((folder / "test_results.json").read_text(encoding="utf-8"))
    assert [r["taskIndex"] for r in results["results"]] == [0, 1, 2]
    serial = agentbatch(
        "--serial", "--filter", "^(web-page|sales-report)$", "--rest-ms", "0", "--display", "none"
    )
    assert (serial.returncode, serial.stdout) == (0, "")
    results = json.loads((folder / "batch_results.json").read_text(encoding="utf-8"))
    assert results["summary"]["maxConcurrent"] == 1
    named = agentbatch("--test", "--filter", "web-page", "--output", "out/mine.json", "--display", "none")
    assert named.returncode == 0
    assert (folder / "out" / "mine.json").is_file()


@pytest.mark.usefixtures("light")
def test_json_puts_two_records_on_stdout(agentbatch: Any) -> None:
    done = agentbatch("--test", "--json")
    launch, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert (launch["type"], end["type"]) == ("launch", "done")
    assert end["exit_code"] == 0
    assert Path(end["results_file"]).name == "test_results.json"


def test_a_dry_run_tells_the_plan_and_runs_nothing(agentbatch: Any, folder: Path) -> None:
    shutil.copy(SAMPLE, folder)
    done = agentbatch("--dry-run", "--parallel", "4")
    assert done.returncode == 0
    assert "10 tasks, parallel mode, 4 at a time" in done.stdout
    assert "Nothing was run." in done.stdout
    assert sorted(p.name for p in folder.iterdir()) == ["task.json"]
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_without_a_key_an_own_task_does_not_begin(agentbatch: Any, folder: Path) -> None:
    task = {"id": "mine", "dir": "w", "first_prompt": "Write my own thing."}
    (folder / "task.json").write_text(json.dumps({"tasks": [task]}), encoding="utf-8")
    done = agentbatch("--parallel")
    assert (done.returncode, done.stdout) == (2, "")
    for word in (
        "No key is set",
        "not mine.",
        "CODER_API_KEY",
        "EVALUATION_API_KEY",
        "OPENAI_API_KEY",
        "--local",
    ):
        assert word in done.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["task.json"]


def test_a_dry_run_leaves_no_folder_for_its_results(agentbatch: Any, folder: Path) -> None:
    shutil.copy(SAMPLE, folder)
    assert agentbatch("--dry-run", "--output", "a/b/c.json").returncode == 0
    assert [path.name for path in folder.iterdir()] == ["task.json"]
