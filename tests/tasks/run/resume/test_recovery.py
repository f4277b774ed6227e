"""What a killed process left half done beside the database."""

import json
from pathlib import Path
from typing import Any

from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.resume.recovery import repair_run


def queued(task_id: str) -> e.TaskQueued:
    return e.TaskQueued(task_id=task_id, index=0, dir="", first_prompt="p", max_iterations=1)


async def test_half_written_documents_go_and_transcripts_come(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    store = Store(RunFolder(path), Redactor(["sk-secret-0123456789"]))
    message: dict[str, Any] = {"role": "user", "content": "sk-secret-0123456789"}
    for task_id in ("over", "held", "written"):
        store.emit(queued(task_id))
        store.emit(e.TaskStarted(task_id=task_id))
        store.emit(e.MessageAdded(task_id=task_id, index=0, message=message))
        resumable = task_id == "held"
        store.emit(
            e.TaskFinished(task_id=task_id, status="completed", reason="accepted", resumable=resumable)
        )
    await store.close()
    results = tmp_path / "results.json"
    half = "0123456789abcdef.tmp"
    written = path / "tasks/written/coder.traj.json"
    written.parent.mkdir(parents=True)
    written.write_text("as it was")
    gone = [
        path / f".results.json.{half}",
        written.parent / f".changes.patch.{half}",
        tmp_path / f".results.json.{half}",
    ]
    kept = [tmp_path / f".other.json.{half}", tmp_path / ".results.json.tmp", written]
    for file in (*gone, *kept[:2]):
        file.write_text("x")
    planted = tmp_path / ".results.json.fedcba9876543210.tmp"
    planted.mkdir()
    kept.append(planted)
    repair_run(RunFolder(path), store.state.tasks.values(), Redactor(["sk-secret-0123456789"]), results)
    assert not [file for file in gone if file.exists()]
    assert all(file.exists() for file in kept)
    document = json.loads((path / "tasks/over/coder.traj.json").read_text())
    assert document["messages"] == [{"role": "user", "content": "[redacted]"}]
    assert written.read_text() == "as it was"
    assert not (path / "tasks/held/coder.traj.json").exists()
