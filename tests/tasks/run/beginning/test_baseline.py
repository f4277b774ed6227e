"""A directory's beginning, kept on disk."""

import os
from pathlib import Path

import pytest

from agentbatch.redaction import Redactor
from agentbatch.tasks.run.beginning.baseline import NAME, Baseline
from agentbatch.workspace.files.protect import protect
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.workspace import Snapshot


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    root, folder = tmp_path / "root", tmp_path / "task"
    (root / "tests").mkdir(parents=True)
    (root / "a.txt").write_text("the häß-secret-key-123\n")
    (root / "data.bin").write_bytes(b"\0\xff" * 9)
    (root / os.fsdecode(b"odd\xff name")).write_text("x")
    (root / "link").symlink_to("a.txt")
    (root / "tests/run.sh").write_text("true")
    (root / "tests/run.sh").chmod(0o750)
    snapshot = take_snapshot(root)
    protected = protect(root, ["tests", "link"])
    Baseline(snapshot, protected).save(folder, Redactor(["häß-secret-key-123"]))
    found = Baseline.load(folder)
    assert found.snapshot.files["a.txt"].text == "the [redacted]\n"
    assert {path: (e.sha256, e.kind) for path, e in found.snapshot.files.items()} == {
        path: (e.sha256, e.kind) for path, e in snapshot.files.items()
    }
    assert found.snapshot.digest == snapshot.digest
    assert found.protected == protected


def test_an_empty_directory_is_no_missing_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Baseline.load(tmp_path)
    Baseline(Snapshot({})).save(tmp_path, Redactor([]))
    assert Baseline.load(tmp_path) == Baseline(Snapshot({}))


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"files": {"a": [1]}}', "{"])
def test_a_damaged_one_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ValueError, match="beginning.json is not what was written there"):
        Baseline.load(tmp_path)
