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

from tests.support.paths import CHECKOUT

SAMPLE = CHECKOUT / "task.json"


def test_init_makes_what_a_run_needs_and_overwrites_nothing(agentbatch: Any, folder: Path) -> None:
    (folder / "prompts").mkdir()
    (folder / "prompts" / "safety.md").write_text("Mine.", encoding="utf-8")
    done = agentbatch("init")
    assert done.returncode == 0, done.stderr
    assert (folder / "prompts" / "safety.md").read_text(encoding="utf-8") == "Mine."
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    assert ".env" in (folder / ".gitignore").read_text(encoding="utf-8").splitlines()
    again = agentbatch("init")
    assert "created" not in again.stdout
    assert agentbatch("--test", "--display", "none").returncode == 0


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


def started(folder: Path, environ: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "agentbatch", *arguments],
        cwd=folder,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "started:" in line:
            break
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_drains_and_results_are_written(
    folder: Path, environ: dict[str, str], number: signal.Signals
) -> None:
    shutil.copy(SAMPLE, folder)
    process = started(folder, environ, "--serial")
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    results = json.loads((folder / "batch_results.json").read_text(encoding="utf-8"))
    assert results["run"]["interrupted"] is True
    statuses = [r["result"]["status"] for r in results["results"]]
    assert statuses[1:] == ["cancelled"] * 9


def test_the_second_signal_stops_at_once_and_leaves_no_process(folder: Path, environ: dict[str, str]) -> None:
    mark = f"31{os.getpid()}"
    task = {"id": "slow", "dir": "w", "first_prompt": "p", "verify": f"sleep {mark}"}
    sample = json.loads(SAMPLE.read_text(encoding="utf-8"))["tasks"][7]
    (folder / "task.json").write_text(
        json.dumps({"tasks": [{**sample, "verify": task["verify"]}]}), encoding="utf-8"
    )
    process = started(folder, environ, "--serial")
    assert process.stdout is not None
    deadline = time.monotonic() + 60
    while not sleeping(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sleeping(mark)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert not sleeping(mark)


def sleeping(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", mark.encode()]:
                return True
        except OSError:
            continue
    return False


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
        ("2>&-", 0),
        ("<&- --dry-run >&-", 0),
        (">/dev/full", None),
        ("--dry-run >/dev/full", 1),
    ],
)
def test_an_output_that_takes_nothing_gets_no_traceback(
    folder: Path, environ: dict[str, str], redirection: str, code: int | None
) -> None:
    shutil.copy(SAMPLE, folder)
    command = f"{sys.executable} -m agentbatch --test --filter roman {redirection}"
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
    process = subprocess.Popen(
        [sys.executable, "-m", "agentbatch", "--serial"],
        cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / ".agentbatch").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    results = json.loads((folder / "batch_results.json").read_text(encoding="utf-8"))
    assert results["run"]["interrupted"] is True


def test_a_second_run_in_the_same_directories_is_refused(
    folder: Path, environ: dict[str, str], agentbatch: Any
) -> None:
    shutil.copy(SAMPLE, folder)
    process = started(folder, environ, "--serial")
    refused = agentbatch("--parallel")
    assert refused.returncode == 2
    assert f"(process {process.pid} on " in refused.stderr
    assert agentbatch("--dry-run").returncode == 0
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
