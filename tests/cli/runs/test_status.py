import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from agentbatch.cli.runs import status
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from tests.runs.stored_runs import begin, finished, interrupted, work
from tests.support.subcommand import run_command


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=300, check=True
    )


async def test_the_newest_run_or_the_one_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = await interrupted(tmp_path, datetime(2026, 1, 1))
    new = await finished(tmp_path, datetime(2026, 2, 1))
    assert run_command(status) == 0
    assert capsys.readouterr().out.startswith(f"Run {new.run_id}: finished\n")
    assert run_command(status, "202601") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Run {old.run_id}: interrupted\n")
    assert "4 tasks: ✓ 1 completed, ✗ 1 error, ‖ 1 interrupted, · 1 queued" in shown
    assert f"  agentbatch resume {old.run_id} " in shown
    with pytest.raises(UserError, match="There is no run '2025'"):
        run_command(status, "2025")


async def test_json_of_an_interrupted_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = await interrupted(tmp_path)
    assert run_command(status, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["run"] == folder.run_id
    assert document["folder"] == str(folder.path)
    assert document["failedList"] == [
        {"id": "t1", "reason": "blocked", "status": "error", "error": "no sales.csv"}
    ]
    assert document["resumeCommand"] == f"agentbatch resume {folder.run_id}"
    assert document["retryCommand"] == f"agentbatch resume {folder.run_id} --retry-failed"
    assert document["tokenStats"]["promptTokens"] == 3_000
    assert document["tokenStats"]["byRole"]["coder"]["calls"] == 3
    assert document["cost"]["total"] == 0.75
    assert document["startedAt"].endswith("Z")
    assert sum(document["tasks"].values()) == 2 * document["tasks"]["total"] == 8


async def test_why_each_task_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = begin(tmp_path)
    work(store, "t1")
    error = "Not accepted after 1 iteration. verify failed: ImportError: no plural"
    store.emit(e.TaskFinished(task_id="t1", status="timeout", reason="max_iterations", error=error))
    await store.close()
    for arguments in ((), ("--all",)):
        assert run_command(status, *arguments) == 0
        assert "\n      verify failed: ImportError: no plural\n" in capsys.readouterr().out


async def test_a_run_under_way_seen_by_another_process(tmp_path: Path) -> None:
    store = begin(tmp_path)
    work(store, "t1", cost=None)
    done = python(tmp_path, "-m", "agentbatch", "status", "--json")
    await store.close()
    document = json.loads(done.stdout)
    assert (document["condition"], document["cost"]["total"]) == ("running", None)
    (task,) = document["running"]
    assert (task["id"], task["status"], task["iteration"]) == ("t1", "coding", 1)
    assert (task["activity"]["kind"], task["activity"]["tool"]) == ("tool", "bash")
    assert document["resumeCommand"] is None, "an engine works on it"


async def test_nothing_heavy_is_imported_to_look_at_a_run(tmp_path: Path) -> None:
    await finished(tmp_path)
    done = python(tmp_path, "-X", "importtime", "-m", "agentbatch", "status")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "pydantic" in imported
    assert not imported & {
        "openai",
        "aiohttp",
        "tiktoken",
        "textual",
        "jinja2",
        "rich",
        "genai_prices",
        "httpx",
    }
