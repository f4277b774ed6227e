"""What of the changed files a judge has to see."""

import pytest

from agentbatch.tasks.evaluator.judging.evidence.changed_files import file_pieces
from agentbatch.workspace.workspace import FileEntry, Snapshot


def entry(text: str | None = "8", **more: object) -> FileEntry:
    return FileEntry("1", 1, text, False, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "found", "unseen"),
    [
        ("a.css", entry(None), True),
        ("a.json", entry(None), True),
        ("a.toml", entry(None), True),
        ("package-lock.json", entry(None), False),
        ("data.bin", entry(None), False),
        ("prog", entry(None, script=True), True),
        ("prog", entry(None, script=True, excerpt="#!/bin/sh"), False),
        ("lib", entry("/usr/lib/x.py", kind="symlink"), True),
        ("lib", entry("../x.py", kind="symlink"), True),
        ("sub/lib", entry("../.venv/x.py", kind="symlink"), True),
        ("sub/lib", entry("../there.txt", kind="symlink"), False),
        ("sub/lib", entry("../folder", kind="symlink"), False),
    ],
)
def test_what_is_out_of_sight(path: str, found: FileEntry, unseen: bool) -> None:
    others = {"there.txt": entry(), "folder/a.txt": entry()}
    (piece,) = file_pieces(Snapshot(others), Snapshot({path: found, **others}))
    assert bool(piece.source and piece.hidden) is unseen
