"""Diffs: patches that git applies, and a view for the judge that is bounded and fair."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from agentbatch.workspace.files.diff.diff import Changes, changes, file_changes, render_patch, tree
from agentbatch.workspace.files.diff.file_diff import quoted
from agentbatch.workspace.files.diff.line_diff import MAX_PAIRS, hunks, split_lines
from agentbatch.workspace.files.snapshot.snapshot import take_snapshot
from agentbatch.workspace.workspace import FileEntry, Snapshot

Files = dict[str, str | bytes]


def fill(root: Path, files: Files) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def listing(root: Path) -> dict[str, tuple[bytes, bool]]:
    found = {}
    for path in sorted(root.rglob("*")):
        name = os.fsencode(path.relative_to(root)).decode("utf-8", "surrogateescape")
        if path.is_symlink():
            found[name] = (os.fsencode(os.readlink(path)), False)
        elif path.is_file():
            found[name] = (path.read_bytes(), os.access(path, os.X_OK))
    return found


def git_apply(root: Path, text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)}
    done = subprocess.run(command, cwd=root, input=data, capture_output=True, check=False, env=env)
    assert done.returncode == 0, f"{done.stderr.decode()}\n{text}"


LONG = "".join(f"line {n}\n" for n in range(200))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"a.txt": "new\n"}),
        ({}, {"a.txt": ""}),
        ({"a.txt": ""}, {}),
        ({"a.txt": "old\n"}, {}),
        ({"a.txt": ""}, {"a.txt": "x"}),
        ({"a.txt": "x"}, {"a.txt": ""}),
        ({"a.txt": "x"}, {"a.txt": "x\n"}),
        ({"a.txt": "x\ny"}, {"a.txt": "x\nz"}),
        ({"a.txt": "x\ny\n"}, {"a.txt": "x\ny"}),
        ({"a.txt": "a\r\nb\r\n"}, {"a.txt": "a\r\nc\r\n"}),
        ({"a.txt": "a\r\nb\r\n"}, {"a.txt": "a\nb\n"}),
        ({"a.txt": "a\x0cb\u2028c\x85\nd\n"}, {"a.txt": "a\x0cb\u2028X\x85\nd\n"}),
        ({"a.txt": LONG}, {"a.txt": LONG.replace("line 5\n", "five\n").replace("line 150\n", "")}),
        ({"a.txt": LONG}, {"a.txt": LONG.replace("line 5\n", "five\n").replace("line 11\n", "x\ny\n")}),
        ({"a.txt": LONG}, {"a.txt": "top\n" + LONG + "end"}),
        ({"dir/a b.txt": "1\n"}, {"dir/a b.txt": "2\n", "dir/ends ": "x\n"}),
        ({'q"uo\\te\t.txt': "1\n", "漢字.txt": "1\n"}, {'q"uo\\te\t.txt': "2\n", "漢字.txt": "2\n"}),
        ({"new\nline": "1\n"}, {"new\nline": "2\n"}),
        ({}, {"--- a/x": "1\n", "diff --git a/x b/x": "2\n"}),
        ({"a.txt": "diff --git a/x b/x\n"}, {"a.txt": "--- a\n+++ b\n@@ -1 +1 @@\n"}),
        ({"a": "file\n"}, {"a/b": "folder now\n"}),
        ({"a/b": "folder\n"}, {"a": "file now\n"}),
        ({"moved": LONG}, {"elsewhere": LONG}),
    ],
)
def test_git_applies_the_patch(tmp_path: Path, before: Files, after: Files) -> None:
    old, new = fill(tmp_path / "old", before), fill(tmp_path / "new", after)
    old.mkdir(exist_ok=True)
    new.mkdir(exist_ok=True)
    git_apply(old, render_patch(file_changes(take_snapshot(old), take_snapshot(new))))
    assert listing(old) == listing(new)


def test_git_applies_modes_links_and_odd_bytes(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for root in (old, new):
        fill(root, {"run.sh": "#!\n", "plain": "x\n", "link-to-file": "x\n"})
    (old / "run.sh").chmod(0o755)
    (new / "plain").chmod(0o755)
    fill(new, {"plain": "y\n", "exec": "z\n"})
    (new / "exec").chmod(0o755)
    (new / "link-to-file").unlink()
    (new / "link-to-file").symlink_to("plain")
    (old / "link").symlink_to("a")
    (new / "link").symlink_to("b c")
    (old / "gone").symlink_to("x")
    with open(os.fsencode(new) + b"/\xff.txt", "wb") as file:
        file.write(b"odd\n")
    git_apply(old, render_patch(file_changes(take_snapshot(old), take_snapshot(new))))
    assert listing(old) == listing(new)


def test_random_edits_apply(tmp_path: Path) -> None:
    chance = random.Random(7)
    for number in range(60):
        lines = [chance.choice(["a", "b", "", "}", str(n)]) for n in range(chance.randrange(40))]
        edited = [line for line in lines if chance.random() > 0.2]
        for _ in range(chance.randrange(6)):
            edited.insert(chance.randrange(len(edited) + 1), chance.choice(["a", "new", ""]))
        before, after = "\n".join(lines), "\n".join(edited)
        old = fill(tmp_path / f"old{number}", {"f": before, "same": "x"})
        new = fill(tmp_path / f"new{number}", {"f": after, "same": "x"})
        text = render_patch(file_changes(take_snapshot(old), take_snapshot(new)))
        if before == after:
            assert text == ""
            continue
        git_apply(old, text)
        assert (old / "f").read_text() == after
        shutil.rmtree(old)


def test_what_a_patch_cannot_hold_is_named_and_the_rest_applies(tmp_path: Path) -> None:
    old = fill(tmp_path / "old", {"a": "1\n", "bin": b"\0\1"})
    new = fill(
        tmp_path / "new",
        {"a": "2\n", "bin": b"\0\1\2", "pic\ndiff --git a/x b/x": b"\0", "big": "x" * 70_000},
    )
    os.mkfifo(new / "fifo")
    text = render_patch(file_changes(take_snapshot(old), take_snapshot(new)))
    assert text.splitlines()[:5] == [
        "# Not in this patch, because they are binary or large:",
        "# big: added, 70,000 bytes, binary or large",
        "# bin: changed, was 2 bytes, binary or large, is 3 bytes, binary or large",
        "# fifo: added, a fifo, socket or device",
        '# "pic\\ndiff --git a/x b/x": added, 1 bytes, binary or large',
    ]
    git_apply(old, text)
    assert (old / "a").read_text() == "2\n"


def of(**texts: str | None) -> Snapshot:
    entries = {
        name: FileEntry(f"{hash(text)}", len(text or ""), text, False) for name, text in sorted(texts.items())
    }
    return Snapshot(entries)


def test_changes() -> None:
    found = changes(of(same="1", changed="1", gone="1"), of(same="1", changed="2", fresh="1"))
    assert found == Changes(("fresh",), ("changed",), ("gone",))
    assert (found.total, bool(found)) == (3, True)
    assert not changes(of(a="1"), of(a="1"))


def test_text_dropped_for_room_is_no_change() -> None:
    entry = FileEntry("h", 1, "x", False)
    assert not changes(Snapshot({"a": entry}), Snapshot({"a": FileEntry("h", 1, None, False)}))


def test_the_worst_case_is_bounded() -> None:
    """Lines in random order: the least diff would take minutes, so the block is replaced whole."""
    chance = random.Random(1)
    lines = [f"{n}\n" for n in range(int(MAX_PAIRS**0.5) + 100)]
    mixed = lines[:]
    chance.shuffle(mixed)
    found = hunks("".join(lines), "".join(mixed))
    assert sum(line.startswith("-") for line in found) == len(lines)


def test_names_with_blanks_end_in_a_tab_as_gits_do() -> None:
    text = render_patch(file_changes(of(**{"a b": "1\n"}), of(**{"a b": "2\n"})))
    assert "--- a/a b\t\n+++ b/a b\t\n" in text


def test_only_newlines_end_lines() -> None:
    assert split_lines("a\rb\x0cc\u2028d\ne") == ["a\rb\x0cc\u2028d\n", "e"]
    assert split_lines("") == []


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a b", "a b"),
        ("漢", "漢"),
        ("a\nb", '"a\\nb"'),
        ("\udcff", '"\\377"'),
        ("\x1b", '"\\033"'),
        ("\u202e", '"\\342\\200\\256"'),
    ],
)
def test_quoting(path: str, shown: str) -> None:
    assert quoted(path) == shown


def test_the_tree(tmp_path: Path) -> None:
    root = fill(tmp_path, {"a.txt": "12345", "src/b.bin": b"\0"})
    (root / "link").symlink_to("a.txt")
    assert tree(take_snapshot(root)).splitlines() == [
        "a.txt (5 bytes)",
        "link (a symlink to a.txt)",
        "src/b.bin (1 bytes, binary or large)",
    ]
    assert tree(of()) == "(empty)"
    many = Snapshot({f"d{n % 2}/f{n:04}": FileEntry("", 1, "x", False) for n in range(1000)})
    lines = tree(many, limit_lines=10).splitlines()
    assert len(lines) == 10
    assert lines[-1] == "[... 991 more files, most of them in d1/ (496), d0/ (495) ...]"
