"""Protected files come back, and putting them back cannot be turned against the rest of the disk."""

import os
import shutil
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.files import protect as protection
from agentbatch.workspace.files.globs import matcher
from agentbatch.workspace.files.protect import protect, restore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "task"
    for name in ("tests/test_a.py", "tests/deep/test_b.py", "spec.md", "src/main.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"original {name}")
    (root / "tests/run.sh").write_text("x")
    (root / "tests/run.sh").chmod(0o755)
    (root / "tests/link").symlink_to("test_a.py")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/test_a.py").write_text("not yours")
    return root


def state(folder: Path) -> dict[str, object]:
    return {
        path.relative_to(folder).as_posix(): (
            os.readlink(path)
            if path.is_symlink()
            else (path.read_bytes(), path.stat().st_mode)
            if path.is_file()
            else "folder"
        )
        for path in sorted(folder.rglob("*"))
    }


def test_nothing_touched_is_nothing_done(root: Path) -> None:
    protected = protect(root, ["tests", "spec.md"])
    before = state(root)
    inode = (root / "spec.md").stat().st_ino
    assert restore(root, protected) == []
    assert state(root) == before
    assert (root / "spec.md").stat().st_ino == inode


def test_changed_deleted_replaced_and_chmodded_files_come_back(root: Path) -> None:
    protected = protect(root, ["tests/**", "*.md"])
    before = state(root)
    (root / "tests/test_a.py").write_text("assert True")
    (root / "tests/run.sh").chmod(0o644)
    (root / "tests/link").unlink()
    (root / "tests/link").symlink_to("/etc/passwd")
    shutil.rmtree(root / "tests/deep")
    (root / "spec.md").unlink()
    (root / "spec.md").mkdir()
    (root / "spec.md/inner").write_text("in the way")
    (root / "src/main.py").write_text("the coder's own work")
    assert restore(root, protected) == [
        "spec.md", "tests/deep/test_b.py", "tests/link", "tests/run.sh", "tests/test_a.py",
    ]  # fmt: skip
    after = state(root)
    assert after.pop("src/main.py") != before.pop("src/main.py"), "what is not protected stays changed"
    assert after == before
    assert restore(root, protected) == []


def test_added_files_that_match_are_named_and_stay(root: Path) -> None:
    protected = protect(root, ["tests"])
    (root / "tests/conftest.py").write_text("skip everything")
    (root / "tests/__pycache__").mkdir()
    (root / "tests/__pycache__/x.pyc").write_text("no tampering")
    assert restore(root, protected) == ["tests/conftest.py"]
    assert (root / "tests/conftest.py").exists()


@pytest.mark.parametrize("trick", ["parent", "file", "hard link", "grandparent", "file for folder"])
def test_tricks_do_not_reach_outside(root: Path, tmp_path: Path, trick: str) -> None:
    protected = protect(root, ["tests/test_a.py", "tests/deep/test_b.py"])
    outside = tmp_path / "outside"
    (outside / "deep").mkdir()
    before = state(outside)
    match trick:
        case "parent":
            shutil.rmtree(root / "tests")
            (root / "tests").symlink_to(outside)
        case "grandparent":
            shutil.rmtree(root / "tests/deep")
            (root / "tests/deep").symlink_to(outside)
        case "file":
            (root / "tests/test_a.py").unlink()
            (root / "tests/test_a.py").symlink_to(outside / "test_a.py")
        case "hard link":
            (root / "tests/test_a.py").unlink()
            (root / "tests/test_a.py").hardlink_to(outside / "test_a.py")
        case "file for folder":
            shutil.rmtree(root / "tests")
            (root / "tests").write_text("in the way")
    assert restore(root, protected) != []
    assert state(outside) == before
    assert (root / "tests/test_a.py").read_text() == "original tests/test_a.py"
    assert (root / "tests/deep/test_b.py").read_text() == "original tests/deep/test_b.py"
    assert not (root / "tests").is_symlink()


def test_a_root_that_became_a_link_is_refused(root: Path, tmp_path: Path) -> None:
    protected = protect(root, ["tests/test_a.py"])
    shutil.rmtree(root)
    root.symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match=r"Too many levels|Not a directory"):
        restore(root, protected)
    assert (tmp_path / "outside/test_a.py").read_text() == "not yours"


def test_a_fifo_in_the_place_hangs_nobody(root: Path) -> None:
    protected = protect(root, ["spec.md"])
    (root / "spec.md").unlink()
    os.mkfifo(root / "spec.md")
    assert restore(root, protected) == ["spec.md"]
    assert (root / "spec.md").read_text() == "original spec.md"


def test_too_much_to_keep_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protection, "MAX_KEPT", 10)
    with pytest.raises(UserError, match="protected_paths"):
        protect(root, ["tests"])


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("tests", "tests/a/b.py", True),
        ("tests/", "tests/a.py", True),
        ("./tests/*.py", "tests/a.py", True),
        ("tests/*.py", "tests/a/b.py", False),
        ("*.py", "a.py", True),
        ("*.py", "a/b.py", False),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("**", "a/b", True),
        (".", "a/b", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "a.txt", True),
        ("[!ab].txt", "a.txt", False),
        ("[a-c]x", "bx", True),
        (r"a\[b", "a[b", True),
        ("a.c", "abc", False),
        ("test", "tests/a", False),
    ],
)
def test_patterns(pattern: str, path: str, matches: bool) -> None:
    assert matcher([pattern])(path) is matches


def test_a_pattern_that_means_nothing_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"\[z-a\]"):
        matcher(["[z-a]"])
