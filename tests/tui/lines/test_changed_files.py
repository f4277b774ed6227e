"""Changed files as lines of the screen."""

import pytest

from agentbatch.text import width
from agentbatch.tui.lines.changed_files import (
    diff_columns,
    diff_length,
    diff_line,
    notes,
    summary_line,
    title_line,
    tree_line,
    tree_of,
)
from agentbatch.tui.lines.glyphs import Glyphs
from agentbatch.workspace.files.diff.file_diff import SYMLINK, FileChange

FILE = "100644"
HOSTILE = [
    FileChange("top.py", "", FILE, ("@@ -0,0 +1,12 @@", *["+x"] * 12)),
    FileChange(
        "src/[bold red]evil\x1b]0;t\x07\u202egnp.py", FILE, FILE, ("@@ -1 +1 @@", "-\t[bold]\x1b[2Jx\r", "+y")
    ),
    FileChange("src/" + "名" * 80, FILE, "", note="was 100 bytes\x1b[31m, binary"),
    FileChange("src/lib/deep/b\udcff.py", FILE, FILE, ("@@ -1,1234 +0,0 @@", *["-x"] * 1_234)),
]


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
        "~",
    ]
    for file in HOSTILE:
        assert f" {file.kind} " in f"{lines[tree.places[file.path]].plain} "
    assert "[bold red]evilgnp" in lines[2].plain or columns == 40
    assert lines[0].plain.rstrip().endswith("+12")
    assert lines[-1].plain.endswith("-1,234")
    head = summary_line(HOSTILE, "/tmp/x\x1b[2J", columns, glyphs)
    assert head.startswith("4 files: 1 added, 2 changed, 1 del")
    assert width(head) <= columns


def test_the_lines_of_a_diff_are_plain_and_keep_their_sign() -> None:
    lines = [diff_line(HOSTILE[1], place) for place in range(diff_length(HOSTILE[1]))]
    assert [line.plain for line in lines] == ["@@ -1 +1 @@", "-    [bold]x", "+y"]
    assert "$text-error" in str(lines[1].spans[0].style)
    assert "$text-success" in str(lines[2].spans[0].style)
    assert diff_line(HOSTILE[2], 0).plain == "was 100 bytes, binary"
    long = FileChange("x", "", FILE, ("@@ -0,0 +1 @@", "+" + "x" * 1_000_000))
    assert len(diff_line(long, 1).plain) < 3_000
    assert diff_columns(long) < 5_000


def test_a_patch_as_a_whole_keeps_its_lines() -> None:
    text = "# [bold]\x1b[2J\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n"
    whole = FileChange("changes.patch", FILE, FILE, tuple(text.split("\n")), note="all of it")
    lines = [diff_line(whole, place).plain for place in range(diff_length(whole))]
    assert lines[:4] == ["all of it", "# [bold]", "diff --git a/x b/x", "--- a/x"]
    assert all(line.isprintable() for line in lines)
    assert (whole.added, whole.removed) == (None, None)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", FILE, []),
        ("", "100755", ["executable"]),
        ("100755", "", []),
        ("", SYMLINK, ["a symlink"]),
        (SYMLINK, "", ["a symlink"]),
        (FILE, "100755", ["old mode 100644", "new mode 100755"]),
        (FILE, SYMLINK, ["a symlink"]),
        (SYMLINK, FILE, ["was a symlink"]),
        (SYMLINK, SYMLINK, []),
    ],
)
def test_modes_and_links_are_said(before: str, after: str, said: list[str]) -> None:
    assert notes(FileChange("x", before, after)) == said
