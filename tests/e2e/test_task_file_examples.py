"""The examples of docs/dependencies.md and docs/generated-tasks.md, as a reader tries them."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.support.paths import CHECKOUT

DOCS = CHECKOUT / "docs"

Command = Callable[..., CompletedProcess[str]]


def example(page: str) -> dict[str, Any]:
    (text,) = re.findall(r"```json\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def write(folder: Path, tasks: dict[str, Any]) -> None:
    (folder / "task.json").write_text(json.dumps(tasks), encoding="utf-8")


def outcome(folder: Path) -> dict[str, str]:
    """Each task's status, and what went wrong, of the newest run."""
    (file,) = folder.glob("*batch_results.json")
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    return {
        row["task"]["id"]: f"{row['result']['status']} {row['result'].get('error', '')}".strip()
        for row in results
    }


def starts(folder: Path) -> list[str]:
    newest = max((folder / ".agentbatch" / "runs").iterdir(), key=lambda run: run.stat().st_mtime_ns)
    return re.findall(r"started: (\S+) in", (newest / "run.log").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_dependencies(folder: Path, agentbatch: Command) -> None:
    tasks = example("dependencies.md")
    write(folder, tasks)
    done = agentbatch("--serial", "--rest-ms", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert starts(folder) == ["primes", "fizzbuzz", "report"]

    assert tasks["tasks"][2]["id"] == "primes"
    tasks["tasks"][2]["verify"] = "false"
    write(folder, tasks)
    done = agentbatch("--serial", "--rest-ms", "0", "--max-iterations", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    found = outcome(folder)
    assert found["primes"].startswith("timeout Not accepted after 1 iteration")
    assert found["fizzbuzz"] == "completed"
    assert found["report"] == "skipped It depends on primes, which was not completed (timeout)."


@pytest.mark.slow
def test_generated_tasks(folder: Path, agentbatch: Command) -> None:
    write(folder, example("generated-tasks.md"))
    for name in ("alpha", "beta"):
        (folder / "packages" / name).mkdir(parents=True)
        (folder / "packages" / name / "README.md").touch()
    done = agentbatch("--parallel", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert outcome(folder) == {"primes-alpha": "completed", "primes-beta": "completed"}
    assert (folder / "packages" / "beta" / "primes.py").is_file()

    done = agentbatch("--parallel", "2", "--stale")
    assert (done.returncode, done.stdout) == (0, "Nothing to do: all 2 tasks are up to date.\n")

    made = (folder / "packages" / "beta" / "primes.py").stat().st_mtime_ns
    os.utime(folder / "packages" / "beta" / "README.md", ns=(made + 1, made + 1))
    done = agentbatch("--parallel", "2", "--stale", "--dry-run")
    assert re.findall(r"primes-\w+", done.stdout) == ["primes-beta"]
    assert "1 task of the file is left out" in done.stdout

    done = agentbatch("--dry-run", "packages/alpha")
    assert re.findall(r"primes-\w+", done.stdout) == ["primes-alpha"]
