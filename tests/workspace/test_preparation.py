"""What is looked for before a run: the project's rules above a task's directory, files that its patterns mean."""

from pathlib import Path

import pytest

from agentbatch.workspace.preparation import ParentFiles, matches


def make(base: Path, *files: str) -> None:
    for name in files:
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"in {name}")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (("r/.git", "r/AGENTS.md", "r/a/b/x"), {"AGENTS.md": ("../../AGENTS.md", "in r/AGENTS.md")}),
        (("r/.git", "r/AGENTS.md", "r/a/AGENTS.md"), {"AGENTS.md": ("../AGENTS.md", "in r/a/AGENTS.md")}),
        (("r/.git", "r/a/b/AGENTS.md"), {}),
        (("r/AGENTS.md",), {}),
        (("AGENTS.md", "r/.git"), {}),
        (("r/.git", "r/AGENTS.md", "r/a/b/.git"), {}),
        (("r/.git", "AGENTS.md", "r/a/CLAUDE.md"), {"CLAUDE.md": ("../CLAUDE.md", "in r/a/CLAUDE.md")}),
    ],
)
def test_the_rules_above_a_directory(tmp_path: Path, files: tuple[str, ...], found: object) -> None:
    make(tmp_path, *files)
    assert ParentFiles(("AGENTS.md", "CLAUDE.md"), 100).of(tmp_path / "r/a/b") == found


def test_no_link_is_followed_to_rules_elsewhere_and_no_fifo_waited_for(tmp_path: Path) -> None:
    make(tmp_path, "r/.git", "secret", "r/docs/rules.md", "r/a/rules.md")
    (tmp_path / "r/AGENTS.md").symlink_to(tmp_path / "secret")
    (tmp_path / "r/CLAUDE.md").symlink_to("docs/rules.md")
    assert ParentFiles(("AGENTS.md", "CLAUDE.md"), 100).of(tmp_path / "r/a") == {}
    (tmp_path / "r/CLAUDE.md").unlink()
    (tmp_path / "r/CLAUDE.md").symlink_to("AGENTS.md")
    (tmp_path / "r/AGENTS.md").unlink()
    (tmp_path / "r/AGENTS.md").write_text("x" * 1000)
    assert {
        n: len(t) for n, (_, t) in ParentFiles(("AGENTS.md", "CLAUDE.md"), 9).of(tmp_path / "r/a").items()
    } == {
        "AGENTS.md": 9,
        "CLAUDE.md": 9,
    }


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("docs/style.md", True),
        ("docs", True),
        ("**/*.md", True),
        ("*.txt", False),
        ("node_modules/x.js", False),
    ],
)
def test_whether_a_pattern_means_a_file(tmp_path: Path, pattern: str, found: bool) -> None:
    make(tmp_path, "docs/style.md", "node_modules/x.js")
    assert matches(tmp_path, pattern) == found
