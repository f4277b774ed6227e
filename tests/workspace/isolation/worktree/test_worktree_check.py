"""What can be known of worktrees before a run, and the names of their branches."""

import os
import subprocess
from pathlib import Path

import pytest

from agentbatch.workspace.isolation.worktree.repository import check_worktrees
from agentbatch.workspace.isolation.worktree.worktree import branch_name, free_name
from tests.workspace.repositories import environment, git, make_repository, needs_git, state

pytestmark = needs_git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = make_repository(tmp_path / "my repo\nünï", {"shared.txt": "0\n", "sub/a.txt": "a\n"})
    (place / "shared.txt").write_text("mine, not committed\n")
    (place / "staged.txt").write_text("staged\n")
    git(place, "add", "staged.txt")
    return place


def test_what_can_have_no_worktree_is_told_before_the_run(tmp_path: Path, repository: Path) -> None:
    environ = environment(tmp_path / "home")
    plain = tmp_path / "plain"
    plain.mkdir()
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    (repository / ".gitignore").write_text("build/\n")

    def refusal(*sources: Path) -> str:
        return check_worktrees(sources, environ).refusal

    assert "lies in no git repository. Commit the directory" in refusal(repository, plain / "deep")
    assert "has no commit yet" in refusal(empty)
    assert "git ignores build/x in " in refusal(repository / "build/x", repository / "sub")
    assert refusal(repository, repository / "sub") == ""


def test_what_is_not_committed_is_told_before_the_run(tmp_path: Path, repository: Path) -> None:
    environ = environment(tmp_path / "home")
    os.utime(repository / "sub/a.txt", (10**9, 10**9))  # for which `git status` would write the index anew
    before = state(repository)
    (warning,) = check_worktrees([repository], environ).warnings
    assert warning.startswith("2 changes in ")
    assert "(shared.txt, staged.txt): tasks with isolation worktree start from the last commit" in warning
    assert check_worktrees([repository / "sub"], environ).warnings == ()
    (repository / ".env").touch()
    (repository / "results.json").touch()
    (warning,) = check_worktrees([repository], environ, {repository / "results.json"}).warnings
    assert warning.startswith("2 changes in "), "env files and our own results belong in no commit"
    (repository / ".env").unlink()
    (repository / "untracked/deep").mkdir(parents=True)
    (repository / "untracked/deep/x").touch()
    (warning,) = check_worktrees([repository / "untracked/deep"], environ).warnings
    assert "1 change in" in warning
    del before["files"]
    assert before.items() <= state(repository).items()


def test_without_git_the_sentence_says_what_to_install(tmp_path: Path, repository: Path) -> None:
    environ = environment(tmp_path / "home", PATH=str(tmp_path))
    assert "apt install git" in check_worktrees([repository], environ).refusal


@pytest.mark.parametrize(
    "task",
    ["t", "a.b-c_d", "a..b", "a...b", "x.lock", "x.lock.lock", "end.", "ünï", "名前", "a" * 100, "é" * 120,
     "@{-1}", "-x", ".hidden", "a b", "a/b", "a\\b", "HEAD", "~^:?*["],
)  # fmt: skip
def test_every_id_makes_a_branch_that_git_takes(task: str) -> None:
    name = branch_name("20250101-000000-ab", task)
    done = subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False)
    assert done.returncode == 0, name
    assert max(len(os.fsencode(part)) for part in name.split("/")) <= 200
    assert name.count("/") == 2


def test_different_ids_have_different_branches() -> None:
    ids = ["a..b", "a...b", "a-b", "x.lock", "x-lock", "é" * 120, "é" * 121]
    assert len({branch_name("r", task) for task in ids}) == len(ids)
    assert branch_name("r", "a-b") == "agentbatch/r/a-b"
    assert free_name("x", {"x", "x-2"}.__contains__) == "x-3"
