"""Git in the worktree of a task on a node."""

from pathlib import Path
from threading import Lock

import pytest

from agentbatch.cluster.travel.local_side import LocalSide
from agentbatch.cluster.travel.repository import read_bundle, write_bundle
from agentbatch.cluster.travel.side import bring
from agentbatch.errors import UserError
from agentbatch.workspace.isolation.isolated_dir import IsolatedDir
from agentbatch.workspace.isolation.making import make_worktree
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.isolation.worktree.repository import find_repository
from tests.workspace.repositories import environment, git, make_repository, needs_git, state

pytestmark = [needs_git, pytest.mark.slow]


def worktree(ours: Git, source: Path, folder: Path) -> IsolatedDir:
    folder.mkdir()
    return make_worktree(ours, source, folder, "agentbatch/run/task", lambda _: Lock())


@pytest.mark.parametrize("shallow", [False, True])
async def test_git_works_there_and_what_is_committed_comes_back_as_files(
    tmp_path: Path, shallow: bool
) -> None:
    ours = Git(environment(tmp_path))
    user = make_repository(tmp_path / "user", {"a": "1\n", "sub/b": "1\n"})
    (user / "a").write_text("2\n")
    git(user, "commit", "-qam", "second")
    if shallow:
        git(tmp_path, "clone", "-q", "--depth=1", user.as_uri(), "clone")
        user = tmp_path / "clone"
    before = state(user)
    repository = find_repository(ours, user / "sub")
    write_bundle(ours, repository.common, repository.head, tmp_path / "sent")
    assert state(user) == before

    (tmp_path / "received").mkdir()
    moved = await bring(
        LocalSide(tmp_path / "sent", tmp_path / "s1"), LocalSide(tmp_path / "received", tmp_path / "s2")
    )
    assert moved.files == 1 + shallow
    node = tmp_path / "node"
    for _ in range(2):
        read_bundle(ours, tmp_path / "received", repository.head, node)
    assert sorted(place.name for place in tmp_path.iterdir() if place.name.startswith(".agentbatch")) == []

    at_home, there = (
        worktree(ours, user / "sub", tmp_path / "h"),
        worktree(ours, node / "sub", tmp_path / "n"),
    )
    home = LocalSide(at_home.root, tmp_path / "s3", [at_home.root / ".git"], max_bytes=0)
    mirror = LocalSide(there.root, tmp_path / "s4", [there.root / ".git"])
    (at_home.root / "b").write_text("of an earlier session\n")
    moved = await bring(home, mirror)
    assert (moved.files, moved.problems) == (1, ())
    assert git(there.root, "status", "--porcelain") == "M sub/b"
    assert git(there.root, "log", "--format=%s") == ("second" if shallow else "second\nfirst")

    (there.root / "new").write_text("new\n")
    git(there.root, "add", "-A")
    git(there.root, "commit", "-qm", "work")
    back = await bring(mirror, home, moved.manifest)
    assert (back.files, back.problems) == (1, ())
    assert git(at_home.root, "status", "--porcelain") == "M sub/b\n?? sub/new"


async def test_a_whole_worktree_travels_without_its_pointer(tmp_path: Path) -> None:
    ours = Git(environment(tmp_path))
    user = make_repository(tmp_path / "user", {"a": "1\n"})
    write_bundle(ours, user / ".git", git(user, "rev-parse", "HEAD"), tmp_path / "sent")
    read_bundle(ours, tmp_path / "sent", git(user, "rev-parse", "HEAD"), tmp_path / "node")
    roots = [
        worktree(ours, user, tmp_path / "h").root,
        worktree(ours, tmp_path / "node", tmp_path / "n").root,
    ]
    home, node = (
        LocalSide(root, tmp_path / f"s{number}", [root / ".git"]) for number, root in enumerate(roots)
    )
    pointers = [(root / ".git").read_bytes() for root in roots]
    assert (await bring(home, node)).files == 0
    (roots[1] / "a").write_text("2\n")
    assert (await bring(node, home)).problems == ()
    assert [(root / ".git").read_bytes() for root in roots] == pointers
    assert git(roots[0], "status", "--porcelain") == "M a"


def test_what_git_refuses_is_said_in_its_words(tmp_path: Path) -> None:
    ours = Git(environment(tmp_path))
    user = make_repository(tmp_path / "user", {"a": "1\n"})
    with pytest.raises(UserError, match="no commit"):
        write_bundle(ours, user / ".git", "--output=x", tmp_path / "sent")
    with pytest.raises(UserError, match="git update-ref failed"):
        write_bundle(ours, user / ".git", "0123456789" * 4, tmp_path / "sent")
    with pytest.raises(UserError, match="git bundle failed"):
        read_bundle(ours, tmp_path / "sent", "0123456789" * 4, tmp_path / "node")
    assert not (tmp_path / "node").exists()
    assert list((tmp_path / "sent").iterdir()) == []
