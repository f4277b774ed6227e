"""The other commands, and signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import commands
from tests.support.paths import CHECKOUT
from tests.support.waiting import wait_until

SAMPLE = CHECKOUT / "task.json"
STOPPING = "Stopping: nothing new starts"


def test_init_makes_what_a_run_needs_and_overwrites_nothing(agentbatch: Any, folder: Path) -> None:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "safety.md").write_text("Mine.", encoding="utf-8")
    done = agentbatch("init")
    assert done.returncode == 0, done.stderr
    assert (folder / "prompts" / "safety.md").read_text(encoding="utf-8") == "Mine."
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert ".env" in (folder / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert sorted(path.name for path in folder.iterdir()) == [".env", ".gitignore", "prompts", "task.json"]
    again = agentbatch("init")
    assert "created" not in again.stdout
    assert agentbatch("init", "--prompts").returncode == 0
    assert (folder / "agents" / "coder.toml").is_file()
    assert (folder / "prompts" / "safety.md").read_text(encoding="utf-8") == "Mine."
    assert agentbatch("--test", "--filter", "^web-page$", "--display", "none").returncode == 0


def test_init_into_a_file_is_told(agentbatch: Any, folder: Path) -> None:
    (folder / "file").write_text("", encoding="utf-8")
    done = agentbatch("init", "file")
    assert done.returncode == 2
    assert "init: " in done.stderr


def test_doctor_without_a_key_says_what_plays(agentbatch: Any) -> None:
    done = agentbatch("doctor")
    assert done.returncode == 0, done.stdout
    assert "rehearsal model" in done.stdout
    assert "sandbox" in done.stdout
    assert "disk" in done.stdout


def held(folder: Path) -> Path:
    """The sample tasks, whose first waits for this file."""
    tasks = json.loads(SAMPLE.read_text(encoding="utf-8"))["tasks"]
    tasks[0]["verify"] = "until [ -e go ]; do sleep 0.05; done"
    (folder / "task.json").write_text(json.dumps({"tasks": tasks}), encoding="utf-8")
    return folder / str(tasks[0]["dir"]) / "go"


def started(folder: Path, environ: dict[str, str]) -> commands.Started:
    """A serial run under way."""
    output = folder.parent / "output.txt"
    process = commands.start("--serial", cwd=folder, env=environ, output=output)
    wait_until(lambda: "started:" in process.complaints() or process.returncode is not None)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains_and_results_are_written(
    folder: Path, environ: dict[str, str], number: signal.Signals
) -> None:
    go = held(folder)
    process = started(folder, environ)
    process.send_signal(number)
    wait_until(lambda: STOPPING in process.complaints())
    go.parent.mkdir(parents=True, exist_ok=True)
    go.touch()
    done = process.result()
    assert done.returncode == 130, done.stderr
    results = json.loads((folder / "batch_results.json").read_text(encoding="utf-8"))
    assert results["run"]["interrupted"] is True
    statuses = [r["result"]["status"] for r in results["results"]]
    assert statuses[1:] == ["cancelled"] * 9


@pytest.mark.slow
def test_the_second_signal_stops_at_once_and_leaves_no_process(folder: Path, environ: dict[str, str]) -> None:
    mark = f"31{os.getpid()}"
    task = {"id": "slow", "dir": "w", "first_prompt": "p", "verify": f"sleep {mark}"}
    sample = json.loads(SAMPLE.read_text(encoding="utf-8"))["tasks"][7]
    (folder / "task.json").write_text(
        json.dumps({"tasks": [{**sample, "verify": task["verify"]}]}), encoding="utf-8"
    )
    process = started(folder, environ)
    wait_until(lambda: sleeping(mark))
    process.send_signal(signal.SIGINT)
    wait_until(lambda: STOPPING in process.complaints())
    time.sleep(0.3)
    assert process.returncode is None
    process.send_signal(signal.SIGINT)
    done = process.result()
    assert done.returncode == 130, done.stderr
    assert not sleeping(mark)


def sleeping(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", mark.encode()]:
                return True
        except OSError:
            continue
    return False


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_it_quietly(folder: Path, environ: dict[str, str]) -> None:
    shutil.copy(SAMPLE, folder)
    command = f"{sys.executable} -m agentbatch --dry-run | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("10 tasks")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("redirection", "code"),
    [
        (">&-", 0),
        pytest.param("2>&-", 0, marks=pytest.mark.slow),
        pytest.param("<&- --dry-run >&-", 0, marks=pytest.mark.slow),
        pytest.param(">/dev/full", None, marks=pytest.mark.slow),
        pytest.param("--dry-run >/dev/full", 1, marks=pytest.mark.slow),
    ],
)
def test_an_output_that_takes_nothing_gets_no_traceback(
    folder: Path, environ: dict[str, str], redirection: str, code: int | None
) -> None:
    shutil.copy(SAMPLE, folder)
    command = f"{sys.executable} -m agentbatch --test --filter web-page {redirection}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    if code is not None:
        assert done.returncode == code, done.stderr


def test_an_interrupt_right_after_the_start_still_leaves_results(
    folder: Path, environ: dict[str, str]
) -> None:
    shutil.copy(SAMPLE, folder)
    process = commands.start("--serial", cwd=folder, env=environ)
    while not (folder / ".agentbatch").exists() and process.returncode is None:
        time.sleep(0.002)  # as near as can be
    process.send_signal(signal.SIGINT)
    done = process.result()
    assert done.returncode == 130, done.stdout + done.stderr
    results = json.loads((folder / "batch_results.json").read_text(encoding="utf-8"))
    assert results["run"]["interrupted"] is True


def test_a_second_run_in_the_same_directories_is_refused(
    folder: Path, environ: dict[str, str], agentbatch: Any
) -> None:
    held(folder)
    process = started(folder, environ)
    refused = agentbatch("--parallel")
    assert refused.returncode == 2
    assert f"(process {process.pid} on " in refused.stderr
    assert agentbatch("--dry-run").returncode == 0
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: STOPPING in process.complaints())
    process.send_signal(signal.SIGTERM)
    assert process.result().returncode == 130
