"""Paths cannot leave the task's directory."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.files.paths import PathError, check_unlinked, confine, make_unlinked


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """task/ with links of every kind, and things beside it that are out of bounds."""
    root = tmp_path / "task"
    (root / "src").mkdir(parents=True)
    (root / "src/main.py").write_text("x")
    for beside in ("task-evil", "TASK", "other"):
        (tmp_path / beside).mkdir()
        (tmp_path / beside / "file").write_text("x")
    (root / "out").symlink_to(tmp_path / "other")
    (root / "file-out").symlink_to(tmp_path / "other/file")
    (root / "dangling-out").symlink_to(tmp_path / "other/new")
    (root / "relative-out").symlink_to("../other")
    (root / "loop").symlink_to("loop")
    (root / "in").symlink_to("src")
    (root / "chain").symlink_to("out")
    (root / "dangling-in").symlink_to("src/new.py")
    return root


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("src/main.py", "src/main.py"),
        ("./src//main.py", "src/main.py"),
        (".", "."),
        ("new/deep/file.txt", "new/deep/file.txt"),
        ("src/../src/main.py", "src/main.py"),
        ("in/main.py", "src/main.py"),
        ("dangling-in", "src/new.py"),
        ("{root}/src/main.py", "src/main.py"),
        ("...", "..."),
        ("a b/漢字.py", "a b/漢字.py"),
        ("-rf", "-rf"),
    ],
)
def test_inside(place: Path, path: str, meant: str) -> None:
    assert confine(place, path.format(root=place)) == place / meant


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../other/file",
        "src/../../other/file",
        "/etc/passwd",
        "/",
        "{root}/../other/file",
        "{root}-evil/file",
        "../task-evil/file",
        "../TASK/file",
        "{upper}/src/main.py",
        "out/file",
        "out",
        "out/../other/file",
        "in/../../other/file",
        "file-out",
        "dangling-out",
        "relative-out/file",
        "chain/new/file",
        "loop",
        "loop/x",
        "",
        "  ",
        "a\0b",
        "a\nb",
        "\x1b[31m",
        "\ud800",
        "x" * 256,
        "漢" * 86,
        "d/" * 2100 + "x",
        "~",
        "~/x",
    ],
)
def test_outside_or_no_path_at_all(place: Path, path: str) -> None:
    upper = str(place.parent / "TASK")
    with pytest.raises(PathError) as caught:
        confine(place, path.format(root=place, upper=upper) if "{" in path else path)
    assert str(caught.value).endswith(".")
    str(caught.value).encode()


def test_reading_may_reach_what_is_readable_and_no_further(place: Path) -> None:
    outputs = place.parent / "other"
    assert confine(place, str(outputs / "file"), readable=(outputs,)) == outputs / "file"
    with pytest.raises(PathError):
        confine(place, str(outputs / "../task-evil/file"), readable=(outputs,))
    with pytest.raises(PathError):
        confine(place, str(outputs / "file"))


def test_a_root_behind_a_symlink(place: Path) -> None:
    alias = place.parent / "alias"
    alias.symlink_to(place)
    assert confine(alias, "src/main.py") == place / "src/main.py"
    assert confine(place, str(alias / "src/main.py")) == place / "src/main.py"


@pytest.mark.parametrize("below", ["b", "b/c/d"])
@pytest.mark.parametrize("put", [Path.touch, os.mkfifo, lambda place: place.symlink_to("/")])
def test_what_stands_where_a_directory_was_is_told(
    tmp_path: Path, put: Callable[[Path], None], below: str
) -> None:
    put(tmp_path / "b")
    for enter in (make_unlinked, check_unlinked):
        with pytest.raises(
            UserError, match=r"/b is (no directory any more|a link now, to /)\. Nothing is done"
        ):
            enter(tmp_path / below)
