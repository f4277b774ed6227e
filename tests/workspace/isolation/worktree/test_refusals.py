"""Why a repository can have no worktrees: one sentence before the run, instead of git's words in the middle of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch.workspace.isolation.worktree.repository import check_worktrees
from tests.workspace.repositories import environment, git, make_repository, needs_git

pytestmark = needs_git


def branch_in_the_way(top: Path, home: Path) -> None:
    git(top, "branch", "agentbatch")


def filter_without_its_program(top: Path, home: Path) -> None:
    (home / ".gitconfig").write_text(
        '[filter "lfs"]\n process = git-lfs-that-is-not-here x\n required = true\n', encoding="utf-8"
    )
    (top / ".gitattributes").write_text("*.bin filter=lfs\n")
    (top / "a.bin").write_text("x")
    git(top, "add", "-A")


def partial_clone(top: Path, home: Path) -> None:
    blob = git(top, "rev-parse", "HEAD:a.txt")
    (top / ".git/objects" / blob[:2] / blob[2:]).unlink()
    git(top, "config", "remote.origin.promisor", "true")
    git(top, "config", "remote.origin.url", str(home / "nowhere"))
    git(top, "config", "extensions.partialClone", "origin")


def settings_in_the_checkout(top: Path, home: Path) -> None:
    git(top, "config", "include.path", "../.gitconfig")


def settings_in_the_checkout_for_a_branch(top: Path, home: Path) -> None:
    git(top, "config", "includeIf.onbranch:main.path", str(top / "a.txt"))


def files_elsewhere(top: Path, home: Path) -> None:
    git(top, "config", "core.worktree", str(home))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (branch_in_the_way, "has a branch called agentbatch"),
        (filter_without_its_program, "need the filter lfs, whose program is not installed"),
        (partial_clone, "is a partial clone that lacks files of its own commit"),
        (settings_in_the_checkout, "include ../.gitconfig, which a task could change"),
        (settings_in_the_checkout_for_a_branch, "which a task could change"),
        (files_elsewhere, "says by core.worktree that its files are in"),
    ],
)
def test_it_is_refused_in_a_sentence(tmp_path: Path, spoil: Callable[[Path, Path], None], said: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    top = make_repository(tmp_path / "repository", {"a.txt": "a\n"})
    assert check_worktrees([top], environment(home)).refusal == ""
    spoil(top, home)
    refusal = check_worktrees([top], environment(home)).refusal
    assert said in refusal
    assert refusal.endswith(", or use isolation copy.")
    assert "\n" not in refusal


def test_a_filter_that_is_not_used_or_is_there_is_no_reason(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "repository", {"a.txt": "a\n", ".gitattributes": "*.txt filter=there\n"})
    settings = '[filter "lfs"]\n process = not-here\n required\n'
    settings += '[filter "there"]\n smudge = cat\n clean = cat\n required\n'
    (tmp_path / ".gitconfig").write_text(settings)
    assert check_worktrees([top], environment(tmp_path)).refusal == ""
