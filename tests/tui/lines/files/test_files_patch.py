"""Reading a patch, and its files as lines of the screen."""

import os
import subprocess
from pathlib import Path

import pytest

from agentbatch.text import width
from agentbatch.tui.lines.files.changed_files import ChangedFile, parse_patch, total_lines, unquoted
from agentbatch.tui.lines.files.files_tree import (
    diff_columns,
    diff_length,
    diff_line,
    summary_line,
    title_line,
    tree_line,
    tree_of,
)
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.workspace.files.diff import patch
from agentbatch.workspace.files.snapshot import take_snapshot
from agentbatch.workspace.workspace import Snapshot

NAMES = (
    "plain.txt", "with space.txt", 'with "quotes".txt', "back\\slash", "tab\there", "line\nend", "目录/文件.py",
    "caf\u00e9", "a b/c d/e", " lead", "trail ", "b/b/b", "x b/x", "--- a", "@@ -1 +1 @@", "\x1b[2J",
    "bytes-\udcff\udc80", "#x: added, 1",
)  # fmt: skip

GLYPHS = Glyphs()


def snapshot_of(folder: Path, files: dict[str, str | bytes]) -> Snapshot:
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return take_snapshot(folder)


def told(files: list[ChangedFile]) -> dict[str, tuple[str, int | None, int | None]]:
    return {file.path: (file.kind, file.added, file.removed) for file in files}


def test_every_name_comes_back(tmp_path: Path) -> None:
    before = snapshot_of(tmp_path / "before", {"gone " + name.replace("/", "_"): "x\n" for name in NAMES})
    after = snapshot_of(tmp_path / "after", dict.fromkeys(NAMES, "one\ntwo\n"))
    files = parse_patch(patch(before, after))
    assert told(files) == {
        **dict.fromkeys(NAMES, ("added", 2, 0)),
        **{"gone " + name.replace("/", "_"): ("deleted", 0, 1) for name in NAMES},
    }
    assert total_lines(files) == (2 * len(NAMES), len(NAMES))


def test_what_is_binary_or_large_is_named(tmp_path: Path) -> None:
    before = snapshot_of(tmp_path / "before", {"b n": b"\0", "gone": b"\0\1"})
    after = snapshot_of(tmp_path / "after", {"b n": b"\0\0", "new": "x" * 100_000, "t": "x\n"})
    files = {file.path: file for file in parse_patch(patch(before, after))}
    assert told([*files.values()]) == {
        "b n": ("changed", None, None),
        "gone": ("deleted", None, None),
        "new": ("added", None, None),
        "t": ("added", 1, 0),
    }
    assert files["new"].notes == ("100,000 bytes, binary or large",)
    assert files["b n"].lines == ()


def test_lines_that_look_like_a_patch_are_lines(tmp_path: Path) -> None:
    tricky = "-- a/x\n++ b/x\ndiff --git a/x b/x\n@@ -1 +1 @@\n\\ No newline\n# y: added, 1\n\n"
    before = snapshot_of(tmp_path / "before", {"f": tricky + "old"})
    after = snapshot_of(
        tmp_path / "after", {"f": "new\n" + tricky.replace("\n\n", "\n") + "end", "g": tricky}
    )
    files = parse_patch(patch(before, after))
    assert [file.path for file in files] == ["f", "g"]
    assert files[1].added == 7
    assert files[0].lines.count("\\ No newline at end of file") == 2
    assert sum(line.startswith("+") for line in files[0].lines) == files[0].added
    assert sum(line.startswith("-") for line in files[0].lines) == files[0].removed


def test_a_line_that_moved_up(tmp_path: Path) -> None:
    before = snapshot_of(tmp_path / "before", {"f": "a\nb\nc\n"})
    after = snapshot_of(tmp_path / "after", {"f": "c\na\nb\n"})
    (file,) = parse_patch(patch(before, after))
    assert file.lines == ("@@ -1,3 +1,3 @@", "+c", " a", " b", "-c")


def test_modes_and_links(tmp_path: Path) -> None:
    before = snapshot_of(tmp_path / "before", {"run": "x\n", "file": "x\n"})
    folder = tmp_path / "after"
    snapshot_of(folder, {"run": "x\n"})
    (folder / "run").chmod(0o755)
    (folder / "file").symlink_to("/etc/passwd")
    (folder / "link").symlink_to("else\nwhere")
    files = {file.path: file for file in parse_patch(patch(before, take_snapshot(folder)))}
    assert told([*files.values()])["run"] == ("changed", 0, 0)
    assert files["run"].notes == ("old mode 100644", "new mode 100755")
    assert files["file"].kind == "changed"
    assert "a symlink" in files["file"].notes
    assert (files["link"].kind, files["link"].notes) == ("added", ("a symlink",))


def git(folder: Path, *words: str) -> bytes:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@y", "-c", "core.quotePath=true", *words]
    return subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True).stdout


def test_what_git_itself_writes(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "old name.txt": "same\n" * 20,
        "caf\u00e9": "x\n",
        "bin": b"\0\1",
        "end": "a",
        "gone": "1\n2\n",
        "m": "x",
    }
    snapshot_of(tmp_path / "repo", files)
    repo = tmp_path / "repo"
    git(repo, "init", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "x")
    (repo / "old name.txt").rename(repo / "n\u00e9w name.txt")
    with open(repo / "n\u00e9w name.txt", "a") as file:
        file.write("one more\n")
    (repo / "caf\u00e9").write_text("y\nz\n")
    (repo / "bin").write_bytes(b"\0\2")
    (repo / "end").write_text("a\n")
    (repo / "gone").unlink()
    (repo / "m").chmod(0o755)
    git(repo, "add", "-A")
    for options in ((), ("--binary",), ("--no-prefix",)):
        found = parse_patch(git(repo, "diff", "--cached", "-M", *options).decode())
        assert told(found) == {
            "n\u00e9w name.txt": ("renamed", 1, 0),
            "caf\u00e9": ("changed", 2, 1),
            "bin": ("changed", None, None),
            "end": ("changed", 1, 1),
            "gone": ("deleted", 0, 2),
            "m": ("changed", 0, 0),
        }
        assert next(file.before for file in found if file.kind == "renamed") == "old name.txt"


def test_a_patch_that_is_cut_anywhere_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    before = snapshot_of(tmp_path / "before", {"a": "1\n2\n3\n", 'q"\t': "x\n", "bin": b"\0"})
    after = snapshot_of(tmp_path / "after", {"a": "1\n3\n4", 'q"\t': "y\n", "bin": b"\1\0"})
    whole = patch(before, after)
    for end in range(len(whole)):
        for file in parse_patch(whole[:end]):
            assert (file.added or 0) <= 2
            for place in range(diff_length(file)):
                assert diff_line(file, place).plain.isprintable()
    assert parse_patch("") == parse_patch("no patch at all\n\n@@ -1 +1 @@\n+x") == []


@pytest.mark.parametrize(
    ("quoted", "plain"),
    [
        ('"a\\tb"', "a\tb"),
        ('"\\303\\251\\"\\\\"', 'é"\\'),
        ('"é\\377"', "é\udcff"),
        ("a\\t", "a\\t"),
        ('"', '"'),
        ("", ""),
    ],
)
def test_names_in_quotes(quoted: str, plain: str) -> None:
    assert unquoted(quoted) == plain


HOSTILE = [
    ChangedFile("top.py", "added", 12, 0, ("@@ -0,0 +1 @@", "+x")),
    ChangedFile(
        "src/[bold red]evil\x1b]0;t\x07\u202egnp.py", "changed", 3, 1, ("@@ -1 +1 @@", "-\t[bold]\x1b[2Jx\r", "+y"),
    ),
    ChangedFile("src/" + "名" * 80, "deleted", None, None, notes=("100 bytes\x1b[31m, binary",)),
    ChangedFile("src/lib/deep/b\udcff.py", "renamed", 0, 1_234, before="src/\x9b2Jx.py"),
]  # fmt: skip


@pytest.mark.parametrize("columns", [40, 60, 78, 160])
@pytest.mark.parametrize("glyphs", [Glyphs(), Glyphs(ascii=True)])
def test_the_tree_fits_and_does_no_harm(columns: int, glyphs: Glyphs) -> None:
    tree = tree_of(HOSTILE)
    lines = [
        tree_line(row, columns, tree.widths, glyphs, chosen=place == 2) for place, row in enumerate(tree.rows)
    ]
    for line in [*lines, *(title_line(file, columns, glyphs) for file in HOSTILE)]:
        assert line.plain.isprintable()
        assert width(line.plain) <= columns
    assert [line.plain.split()[0] for line in lines] == [
        "+",
        "src/",
        glyphs["closed"],
        "-",
        "src/lib/deep/",
        ">",
    ]
    for file in HOSTILE:
        assert f" {file.kind} " in f"{lines[tree.places[file.path]].plain} "
    assert "[bold red]evilgnp" in lines[2].plain or columns == 40
    assert lines[0].plain.rstrip().endswith("+12")
    assert lines[-1].plain.endswith("-1,234")
    head = summary_line(HOSTILE, "/tmp/x\x1b[2J", columns, glyphs)
    assert head.startswith("4 files: 1 added, 1 changed, 1 del")
    assert width(head) <= columns


def test_the_lines_of_a_diff_are_plain_and_keep_their_sign() -> None:
    lines = [diff_line(HOSTILE[1], place) for place in range(diff_length(HOSTILE[1]))]
    assert [line.plain for line in lines] == ["@@ -1 +1 @@", "-    [bold]x", "+y"]
    assert "$text-error" in str(lines[1].spans[0].style)
    assert "$text-success" in str(lines[2].spans[0].style)
    assert diff_line(HOSTILE[2], 0).plain == "100 bytes, binary"
    long = ChangedFile("x", "added", 1, 0, ("@@ -0,0 +1 @@", "+" + "x" * 1_000_000))
    assert len(diff_line(long, 1).plain) < 3_000
    assert diff_columns(long) < 5_000
