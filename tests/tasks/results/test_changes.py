"""What a task changed, as files of its run: written, read back, and what was left by earlier versions."""

import json
from pathlib import Path

import pytest

from agentbatch.redaction import Redactor
from agentbatch.tasks.results import changes
from agentbatch.tasks.results.changes import CHANGES, PATCH, read_changes, write_changes
from agentbatch.workspace.files.diff.diff import file_changes, render_patch
from agentbatch.workspace.files.diff.file_diff import SYMLINK, FileChange, changes_document
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.workspace import Snapshot

NAMES = (
    "plain.txt", "with space.txt", 'with "quotes".txt', "back\\slash", "tab\there", "line\nend", "目录/文件.py",
    "caf\u00e9", "a b/c d/e", " lead", "trail ", "b/b/b", "x b/x", "--- a", "@@ -1 +1 @@", "\x1b[2J",
    "bytes-\udcff\udc80", "#x: added, 1",
)  # fmt: skip

NO_KEYS = Redactor([])


def snapshot_of(folder: Path, files: dict[str, str | bytes]) -> Snapshot:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return take_snapshot(folder)


def figures(files: list[FileChange]) -> dict[str, tuple[str, int | None, int | None]]:
    return {file.path: (file.kind, file.added, file.removed) for file in files}


async def test_every_name_comes_back(tmp_path: Path) -> None:
    before = snapshot_of(tmp_path / "before", {"gone " + name.replace("/", "_"): "x\n" for name in NAMES})
    after = snapshot_of(tmp_path / "after", dict.fromkeys(NAMES, "one\ntwo\n"))
    files = file_changes(before, after)
    await write_changes(tmp_path, files, NO_KEYS)
    assert read_changes(tmp_path) == (files, "")
    assert figures(files) == {
        **dict.fromkeys(NAMES, ("added", 2, 0)),
        **{"gone " + name.replace("/", "_"): ("deleted", 0, 1) for name in NAMES},
    }


async def test_modes_links_and_what_has_no_text(tmp_path: Path) -> None:
    before = snapshot_of(tmp_path / "before", {"run": "x\n", "file": "x\ny\n", "b n": b"\0", "gone": b"\0\1"})
    folder = tmp_path / "after"
    snapshot_of(folder, {"run": "x\n", "b n": b"\0\0", "new": "x" * 100_000, "t": "x\n"})
    (folder / "run").chmod(0o755)
    (folder / "file").symlink_to("else\nwhere")
    after = take_snapshot(folder)
    files = file_changes(before, after)
    await write_changes(tmp_path, files, NO_KEYS)
    assert read_changes(tmp_path)[0] == files
    assert figures(files) == {
        "b n": ("changed", None, None),
        "file": ("changed", 2, 2),
        "gone": ("deleted", None, None),
        "new": ("added", None, None),
        "run": ("changed", 0, 0),
        "t": ("added", 1, 0),
    }
    by_path = {file.path: file for file in files}
    assert by_path["new"].note == "100,000 bytes, binary or large"
    assert by_path["file"].after == SYMLINK
    text = (tmp_path / PATCH).read_text()
    assert text == render_patch(file_changes(before, after))
    assert text.count("diff --git a/file b/file\n") == 2  # git has no other way to say it


@pytest.mark.parametrize("old", ["", "x", "x\n"])
async def test_lines_that_look_like_a_patch_are_lines(tmp_path: Path, old: str) -> None:
    tricky = "-- a/x\n++ b/x\ndiff --git a/x b/x\n@@ -0,0 +1 @@\n\\ No newline\n# y: added, 1\n\n"
    before = snapshot_of(tmp_path / "before", {"f": tricky + "old", "g": old})
    after = snapshot_of(tmp_path / "after", {"f": tricky, "link": "x"})
    (tmp_path / "after" / "g").symlink_to(tricky)
    after = take_snapshot(tmp_path / "after")
    files = file_changes(before, after)
    await write_changes(tmp_path, files, NO_KEYS)
    assert read_changes(tmp_path)[0] == files
    assert (tmp_path / PATCH).read_text() == render_patch(files)


async def test_keys_are_in_neither_file(tmp_path: Path) -> None:
    keys = Redactor(["sk-0123456789", 'quo"te-and-\u00e9-key'])
    text = 'KEY=sk-0123456789\nTWO=quo"te-and-\u00e9-key\n'
    after = snapshot_of(
        tmp_path / "after", {"a": text, "sk-0123456789": "x\n", 'quo"te-and-\u00e9-key': "x\n"}
    )
    await write_changes(tmp_path, file_changes(Snapshot({}), after), keys)
    for name in (PATCH, CHANGES):
        written = (tmp_path / name).read_text()
        assert "sk-0123456789" not in written
        assert "te-and-" not in written
        assert "[redacted]" in written


@pytest.mark.parametrize(
    "damaged",
    [
        b"", b"{", b"{}", b"[1]", b"[{}]", b"\xff", b"[" * 100_000,
        b'[{"path": 1, "before": "", "after": "", "lines": [], "note": ""}]',
        b'[{"path": "a", "before": "", "after": "", "lines": [1], "note": ""}]',
        b'[{"path": "a", "more": 1, "lines": []}]',
    ],
)  # fmt: skip
def test_where_there_is_no_list_the_patch_is_shown(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / PATCH).write_bytes(b"diff --git a/x b/x\n+\xff\n")
    whole = [
        FileChange(
            PATCH, "100644", "100644", ("diff --git a/x b/x", "+\udcff"), note="all changes in one patch"
        )
    ]
    assert read_changes(tmp_path) == (whole, "")
    (tmp_path / CHANGES).write_bytes(damaged)
    assert read_changes(tmp_path) == (whole, "")


def test_nothing_to_read_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="changes.patch"):
        read_changes(tmp_path)


async def test_what_is_too_long_is_cut_and_said(tmp_path: Path) -> None:
    files = [FileChange("a", "", "100644", ("@@ -0,0 +1 @@", "+" + "x" * changes.MAX_READ))]
    await write_changes(tmp_path, files, NO_KEYS)
    (shown,), note = read_changes(tmp_path)
    assert note == f"{tmp_path / PATCH} is too long to be shown whole."
    assert sum(map(len, shown.lines)) <= changes.MAX_READ


def test_the_document_is_plain(tmp_path: Path) -> None:
    """Other programs read it too: its keys stay."""
    file = FileChange("a", "", "100644", ("@@ -0,0 +1,1 @@", "+x"))
    document = json.loads(json.dumps(changes_document([file])))
    assert document == [
        {"path": "a", "before": "", "after": "100644", "lines": ["@@ -0,0 +1,1 @@", "+x"], "note": ""}
    ]
