"""What of a run's settings has changed since tasks could write there."""

import os
from datetime import datetime
from pathlib import Path

from agentbatch.redaction import Redactor
from agentbatch.runs.folder import create_run_folder
from agentbatch.runs.store.store import Store
from agentbatch.tasks.run.prepare.own_files import changed, changed_since_last_run, digests
from tests.support.run_events import run_started


def test_files_and_what_lies_below_folders(tmp_path: Path) -> None:
    (tmp_path / "prompts/inner").mkdir(parents=True)
    (tmp_path / "prompts/a.md").write_text("x")
    (tmp_path / "prompts/inner/b.md").write_text("x")
    (tmp_path / ".env").write_text("y")
    os.mkfifo(tmp_path / "prompts/fifo")
    (tmp_path / "prompts/link").symlink_to("/etc/hosts")
    names = ("prompts", ".env", "agents")
    found = digests([tmp_path / name for name in names], tmp_path)
    assert found.keys() == {"prompts/a.md", "prompts/inner/b.md", ".env", "prompts/fifo", "prompts/link"}
    assert found["prompts/a.md"] == found["prompts/inner/b.md"] != found[".env"]
    assert found["prompts/fifo"] == ""


def test_what_came_went_and_is_another() -> None:
    assert changed({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == ["b", "c", "d"]


async def test_the_next_run_names_it(tmp_path: Path) -> None:
    assert changed_since_last_run(tmp_path, {".env": "1"}) == ""
    for hour, own in enumerate(({}, {"prompts/a.md": "1"})):
        store = Store(create_run_folder(tmp_path, datetime(2026, 1, 2, hour)), Redactor([]))
        store.emit(run_started(max_concurrent=1, own_files=own))
        await store.close()
        said = changed_since_last_run(tmp_path, {".env": "1", "prompts/a.md": "1"})
        assert bool(said) is bool(own)
    assert "20260102-010000-0000 began, whose tasks could write here: .env. " in said
    assert changed_since_last_run(tmp_path, {"prompts/a.md": "1"}) == ""
