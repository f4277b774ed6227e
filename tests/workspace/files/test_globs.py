import os
from pathlib import Path

import pytest

from agentbatch.workspace.files.globs import FileSearch, Kind

FILES = """
a.py b.txt src/a.py src/b.py src/deep/er/c.py src/[x].py src/.hidden.py .github/w/ci.yml .git/hooks/x.py
node_modules/m/x.py .agentbatch/runs/x.py packages/one/p.py packages/two/sub/p.py packages/two/p.py
target/a.py rust/Cargo.toml rust/target/x.rs
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    base = tmp_path / "base"
    for name in FILES.split():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("x", encoding="utf-8")
    (base / "empty").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "o.py").write_text("x", encoding="utf-8")
    (base / "src" / "out").symlink_to(tmp_path / "outside")
    (base / "src" / "secret.py").symlink_to(tmp_path / "outside" / "o.py")
    (base / "src" / "inside.py").symlink_to("a.py")
    (base / "src" / "again").symlink_to("..")
    (base / "src" / "loop.py").symlink_to("loop.py")
    (base / "src" / "gone.py").symlink_to("nowhere.py")
    os.mkfifo(base / "src" / "pipe.py")
    return base


@pytest.mark.parametrize(
    ("pattern", "kind", "found"),
    [
        ("*.py", "files", "a.py"),
        ("./src//*.py", "files", "src/[x].py src/a.py src/b.py src/inside.py"),
        (
            "**/*.py",
            "files",
            "a.py packages/one/p.py packages/two/p.py packages/two/sub/p.py src/[x].py src/a.py src/b.py "
            "src/deep/er/c.py src/inside.py target/a.py",
        ),
        ("src/**", "files", "src/[x].py src/a.py src/b.py src/deep/er/c.py src/inside.py"),
        ("src/**/c.py", "files", "src/deep/er/c.py"),
        ("src/**/a.py", "files", "src/a.py"),
        ("**/**/p.py", "files", "packages/one/p.py packages/two/p.py packages/two/sub/p.py"),
        ("src/[ab].py", "files", "src/a.py src/b.py"),
        ("src/[[]x].py", "files", "src/[x].py"),
        ("src/?.py", "files", "src/a.py src/b.py"),
        ("src/.h*.py", "files", "src/.hidden.py"),
        (".github/**/*.yml", "files", ".github/w/ci.yml"),
        (".git/**", "files", ""),
        (".agentbatch/**/x.py", "files", ""),
        ("node_modules/*/x.py", "files", ""),
        ("src/out/*.py", "files", ""),
        ("src/secret.py", "files", ""),
        ("src/again/a.py", "files", ""),
        ("A.PY", "files", ""),
        ("src", "files", ""),
        ("rust/**", "files", "rust/Cargo.toml"),
        ("packages/*", "folders", "packages/one packages/two"),
        ("packages/**", "folders", "packages/one packages/two packages/two/sub"),
        ("**/sub", "folders", "packages/two/sub"),
        ("*", "folders", "empty packages rust src target"),
        ("src/*", "folders", "src/deep"),
        (".", "folders", ""),
        ("a.py", "folders", ""),
        ("nowhere/*", "folders", ""),
    ],
)
def test_what_a_pattern_finds(base: Path, pattern: str, kind: Kind, found: str) -> None:
    assert FileSearch(base).find(pattern, kind) == found.split()


def test_everything_is_what_it_says(base: Path) -> None:
    search = FileSearch(base, everything=True)
    assert search.find(".git/**", "files") == [".git/hooks/x.py"]
    assert search.find("*/*/x.py", "files") == [
        ".agentbatch/runs/x.py",
        ".git/hooks/x.py",
        "node_modules/m/x.py",
    ]
    assert search.find("src/out/*", "files") == []


def test_many_names_of_one_folder(tmp_path: Path) -> None:
    for n in range(0, 100, 2):
        (tmp_path / f"{n}.md").touch()
    search = FileSearch(tmp_path)
    found = [n for n in range(100) if search.find(f"{n}.md", "files")]
    assert found == list(range(0, 100, 2))


def test_order_is_by_folder_then_name(tmp_path: Path) -> None:
    for name in ("a/z", "a-b/a", "a/b/c", "B/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert FileSearch(tmp_path).find("**", "files") == ["B/x", "a/b/c", "a/z", "a-b/a"]


def test_names_of_no_possible_file_are_not_found(base: Path) -> None:
    search = FileSearch(base)
    assert search.find("x" * 300, "files") == []
    assert search.find("a\0b", "files") == []
    assert search.find("a.py/x", "files") == []


def test_times_of_change(base: Path) -> None:
    search = FileSearch(base, everything=True)
    for name, when in (
        ("src/a.py", 100),
        ("src/b.py", 300),
        ("src/deep/er/c.py", 200),
        ("packages/one/p.py", 5),
    ):
        os.utime(base / name, (when, when))
    assert search.newest_and_oldest("src/[ab].py") == (300 * 10**9, 100 * 10**9)
    assert search.newest_and_oldest("src/deep") == (200 * 10**9, 200 * 10**9)
    assert search.newest_and_oldest("packages/one/**") == (5 * 10**9, 5 * 10**9)
    assert search.newest_and_oldest("empty") is None
    assert search.newest_and_oldest("nothing") is None
