"""A coder without a sandbox can write to its worktree's index: nothing that it says there hides what was changed."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agentbatch.workspace.isolation.isolated_dir import IsolatedDir
from agentbatch.workspace.isolation.isolation import Isolation
from tests.workspace.repositories import environment, git, make_repository, needs_git

pytestmark = needs_git


def index_of(place: IsolatedDir) -> Path:
    assert place.worktree is not None
    return place.worktree.admin / "index"


def assume_unchanged(place: IsolatedDir) -> None:
    git(place.root, "update-index", "--assume-unchanged", "a.txt")


def skip_worktree(place: IsolatedDir) -> None:
    git(place.root, "update-index", "--skip-worktree", "a.txt")


def forge_stat(place: IsolatedDir) -> None:
    """The entry of the file as it is now, with the object of what it was."""
    old = bytes.fromhex(git(place.root, "rev-parse", "HEAD:a.txt"))
    git(place.root, "add", "a.txt")
    new = bytes.fromhex(git(place.root, "rev-parse", ":a.txt"))
    forged = index_of(place).read_bytes()[:-20].replace(new, old)
    index_of(place).write_bytes(forged + hashlib.sha1(forged).digest())
    os.utime(index_of(place), (4e9, 4e9))  # else it is too fresh to be believed
    assert git(place.root, "status", "--porcelain", "a.txt") == ""  # git believes it


def no_ctime(place: IsolatedDir) -> None:
    for setting in ("core.trustctime=false", "core.checkStat=minimal", "core.ignoreStat=true"):
        git(place.root, "config", *setting.split("="))


def break_it(place: IsolatedDir) -> None:
    index_of(place).write_bytes(b"no index")


def remove_it(place: IsolatedDir) -> None:
    index_of(place).unlink()


@pytest.mark.parametrize(
    "attack", [assume_unchanged, skip_worktree, forge_stat, no_ctime, break_it, remove_it]
)
async def test_what_was_changed_is_on_the_branch(
    tmp_path: Path, attack: Callable[[IsolatedDir], None]
) -> None:
    repository = make_repository(
        tmp_path / "repository", {"a.txt": "a\n", "b.txt": "b\n", ".gitignore": "*.log\n"}
    )
    places = Isolation("r1", environment(tmp_path / "home"))
    place = await places.make("worktree", repository, tmp_path / "runs/t/work", task_id="t")
    was = (place.root / "a.txt").stat()
    (place.root / "a.txt").write_text("x\n")
    os.utime(place.root / "a.txt", ns=(was.st_atime_ns, was.st_mtime_ns))
    (place.root / "new.txt").write_text("new\n")
    attack(place)
    kept = await places.keep(place, "m")
    changed = git(repository, "diff", "--name-status", "main", kept.branch).split()
    assert changed == ["M", "a.txt", "A", "new.txt"]
    assert git(repository, "show", f"{kept.branch}:a.txt") == "x"


async def test_what_the_coder_added_by_itself_is_on_the_branch_too(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository", {"a.txt": "a\n", ".gitignore": "*.log\n"})
    places = Isolation("r1", environment(tmp_path / "home"))
    place = await places.make("worktree", repository, tmp_path / "runs/t/work", task_id="t")
    (place.root / "x.log").write_text("1\n")
    git(place.root, "add", "--force", "x.log")
    (place.root / "x.log").write_text("2\n")
    kept = await places.keep(place, "m")
    assert git(repository, "show", f"{kept.branch}:x.log") == "2"
