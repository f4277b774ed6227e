"""A task's worktree and branch: made, kept, found again, removed; the user's checkout stays as it is."""

import asyncio
import os
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.isolation.isolated_dir import RECORD, read_isolated_dir, record_isolated_dir
from agentbatch.workspace.isolation.isolation import Isolation
from tests.workspace.repositories import branches, environment, git, make_repository, needs_git, state

pytestmark = needs_git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With uncommitted work, a stash, and a hook that would tell on us."""
    place = make_repository(tmp_path / "my repo\nünï", {"shared.txt": "0\n", "sub/a.txt": "a\n"})
    (place / "shared.txt").write_text("stashed\n")
    git(place, "stash")
    (place / "shared.txt").write_text("mine, not committed\n")
    (place / "staged.txt").write_text("staged\n")
    git(place, "add", "staged.txt")
    for name in ("pre-commit", "post-checkout", "post-commit", "reference-transaction", "post-index-change"):
        hook = place / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hook-ran\n")
        hook.chmod(0o755)
    return place


@pytest.fixture
def places(tmp_path: Path) -> Isolation:
    return Isolation("20250101-000000-ab", environment(tmp_path / "home"))


def folder(repository: Path, task: str) -> Path:
    """Where a run keeps it: inside of the repository, which is the hard case."""
    return repository / ".agentbatch/runs/r/tasks" / task / "work"


async def test_ten_tasks_edit_the_same_file_at_once(
    repository: Path, places: Isolation, tmp_path: Path
) -> None:
    before = state(repository)

    async def task(name: str) -> tuple[str, str]:
        place = await places.make("worktree", repository, folder(repository, name), task_id=name)
        assert (place.root / "shared.txt").read_text() == "0\n"
        (place.root / "shared.txt").write_text(f"{name}\n")
        await asyncio.sleep(0)
        kept = await places.keep(place, f"agentbatch: {name}")
        await places.remove(place)
        return name, kept.branch

    done = await asyncio.gather(*(task(f"t{number}") for number in range(10)))
    assert len({branch for _, branch in done}) == 10
    for name, branch in done:
        assert branch == f"agentbatch/20250101-000000-ab/{name}"
        assert git(repository, "show", f"{branch}:shared.txt") == name
        assert git(repository, "log", "--format=%s", branch).splitlines() == [f"agentbatch: {name}", "first"]
    assert state(repository) == before
    assert not (repository / ".git/worktrees").exists()
    assert not (tmp_path / "hook-ran").exists()
    assert not list(repository.glob(".agentbatch/runs/r/tasks/*/work/trees"))


async def test_a_change_in_the_second_of_the_checkout_is_kept_whenever_that_is(
    repository: Path, places: Isolation
) -> None:
    """git, which compares whole seconds, sees only by the index's own time that such a file needs a second look."""
    for attempt in range(30):
        place = await places.make(
            "worktree", repository, folder(repository, f"t{attempt}"), task_id=f"t{attempt}"
        )
        changed = place.root / "shared.txt"
        checked_out = int(changed.stat().st_mtime)
        changed.write_text("1\n")  # as long as it was
        if int(changed.stat().st_mtime) == checked_out:
            break
    else:
        pytest.skip("this machine is too slow to change a file in the second of its checkout")
    await asyncio.sleep(1.1)
    kept = await places.keep(place, "m")
    assert git(repository, "show", f"{kept.branch}:shared.txt") == "1"


async def test_a_subdirectory_gets_the_same_one(repository: Path, places: Isolation) -> None:
    place = await places.make("worktree", repository / "sub", folder(repository, "t"), task_id="t")
    assert place.root.name == "sub"
    assert [path.name for path in place.root.iterdir()] == ["a.txt"]
    assert place.root.parent in place.readable
    new = await places.make("worktree", repository / "not/yet", folder(repository, "u"), task_id="u")
    assert new.root.is_dir()
    (new.root / "made").write_text("x")
    kept = await places.keep(new, "m")
    assert git(repository, "show", f"{kept.branch}:not/yet/made") == "x"


async def test_nothing_changed_leaves_no_branch(repository: Path, places: Isolation) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    assert branches(repository) == [place.branch]
    kept = await places.keep(place, "m")
    assert (kept.branch, kept.commit, kept.whole) == ("", "", True)
    await places.remove(place)
    assert branches(repository) == []


async def test_all_kinds_of_changes_are_kept_and_may_be_kept_again(
    repository: Path, places: Isolation
) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "sub/a.txt").unlink()
    (place.root / "-dash \n ü").write_text("odd name")
    (place.root / "run.sh").write_text("#!/bin/sh\n")
    (place.root / "run.sh").chmod(0o755)
    (place.root / "link").symlink_to("/etc/passwd")
    first = await places.keep(place, "title\n\nbody \x1b[31m with \0 signs")
    again = await places.keep(place, "other")
    assert first == again
    listed = git(repository, "ls-tree", "-r", "-z", first.branch).split("\0")
    assert sorted((line[:6], line.split("\t", 1)[1]) for line in listed if line) == [
        ("100644", "-dash \n ü"),
        ("100644", "shared.txt"),
        ("100755", "run.sh"),
        ("120000", "link"),
    ]
    assert git(repository, "log", "-1", "--format=%an <%ae>|%B", first.branch) == (
        "agentbatch <agentbatch@localhost>|title\n\nbody [31m with  signs"
    )


async def test_the_users_name_is_the_authors(repository: Path, places: Isolation) -> None:
    git(repository, "config", "user.name", "Ada")
    git(repository, "config", "user.email", "ada@example.org")
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "new").write_text("x")
    kept = await places.keep(place, "m")
    assert git(repository, "log", "-1", "--format=%an %ae %cn", kept.branch) == "Ada ada@example.org Ada"


async def test_a_later_process_finds_it_with_what_was_done(
    repository: Path, places: Isolation, tmp_path: Path
) -> None:
    first = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    assert first.fresh
    (first.root / "half").write_text("done")
    later = Isolation("20250101-000000-ab", environment(tmp_path / "home"))
    again = await later.make("worktree", repository, folder(repository, "t"), task_id="t")
    assert (again.root, again.branch, again.readable) == (first.root, first.branch, first.readable)
    assert not again.fresh
    assert (again.root / "half").read_text() == "done"


async def test_work_that_was_put_away_goes_on_from_its_branch(repository: Path, places: Isolation) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "one").write_text("1")
    await places.keep(place, "one")
    await places.remove(place)
    assert not place.root.exists()
    assert read_isolated_dir(folder(repository, "t"))[1] == "away"
    again = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    assert (again.root / "one").read_text() == "1"
    assert not again.fresh
    (again.root / "two").write_text("2")
    kept = await places.keep(again, "two")
    assert kept.branch == place.branch
    assert git(repository, "log", "--format=%s", kept.branch).splitlines() == ["two", "one", "first"]


@pytest.mark.parametrize("left", ["no record", "begun", "being put away"])
async def test_what_a_killed_process_has_left_is_nobodys_work(
    repository: Path, places: Isolation, left: str
) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "shared.txt").unlink()
    if left == "no record":
        (folder(repository, "t") / RECORD).unlink()
    else:
        record_isolated_dir(place, "making" if left == "begun" else "away")
    again = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    assert (again.root / "shared.txt").read_text() == "0\n"
    assert len(list((repository / ".git/worktrees").iterdir())) == 1
    await places.discard(folder(repository, "t"))
    assert not (repository / ".git/worktrees").exists()


async def test_a_git_that_was_left_behind_and_fails_late_takes_nothing_of_a_later_attempt(
    repository: Path, places: Isolation
) -> None:
    """When `git worktree add` fails, it removes the folder that it had made for itself in .git/worktrees, by name."""
    worktrees, left_behind = repository / ".git/worktrees", set[str]()
    for task in ("t", "t", "u", "t"):
        place = await places.make("worktree", repository, folder(repository, task), task_id=task)
        record_isolated_dir(place, "making")
        names = {path.name for path in worktrees.iterdir()}
        assert not names & left_behind
        left_behind |= names
        await places.discard(folder(repository, task))
    kept = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    for name in left_behind:
        assert not (worktrees / name).exists()
    assert kept.root.name == repository.name
    assert f"worktree {kept.root}\n" in git(repository, "worktree", "list", "--porcelain", "-z").replace(
        "\0", "\n"
    )
    assert git(kept.root, "status", "--short") == ""
    await places.discard(folder(repository, "t"))


async def test_discarded_work_keeps_its_branch_and_the_next_gets_another(
    repository: Path, places: Isolation
) -> None:
    for attempt in ("one", "two"):
        place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
        assert sorted(path.name for path in place.root.iterdir()) == [".git", "shared.txt", "sub"]
        (place.root / attempt).write_text(attempt)
        await places.keep(place, attempt)
        await places.discard(folder(repository, "t"))
        await places.discard(folder(repository, "t"))
    name = "agentbatch/20250101-000000-ab/t"
    assert branches(repository) == [name, f"{name}-2"]
    assert not folder(repository, "t").exists()


async def test_a_branch_that_the_user_is_on_is_not_moved(repository: Path, places: Isolation) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "new").write_text("x")
    git(repository, "stash")
    git(repository, "checkout", "--quiet", "--ignore-other-worktrees", place.branch)
    before = state(repository)
    kept = [await places.keep(place, "m") for _ in range(2)]
    assert [k.branch for k in kept] == [f"{place.branch}-2"] * 2
    await places.remove(place)
    assert state(repository) == before
    assert git(repository, "status", "--porcelain", "--untracked-files=no") == ""
    assert branches(repository) == [place.branch, f"{place.branch}-2"]


async def test_a_worktree_that_git_has_forgotten_is_not_thrown_away(
    repository: Path, places: Isolation
) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "work").write_text("x")
    assert place.worktree is not None
    place.worktree.admin.rename(repository.parent / "gone")
    with pytest.raises(UserError, match="git does not know the worktree"):
        await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    assert (place.root / "work").exists()


async def test_the_users_own_worktrees_stay_also_those_on_a_missing_disk(
    repository: Path, places: Isolation, tmp_path: Path
) -> None:
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "disk/theirs"))
    (tmp_path / "disk").rename(tmp_path / "unmounted")
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    await places.keep(place, "m")
    await places.discard(folder(repository, "t"))
    assert [path.name for path in (repository / ".git/worktrees").iterdir()] == ["theirs"]


async def test_what_a_killed_git_had_just_begun_goes_when_it_is_old(
    repository: Path, places: Isolation, tmp_path: Path
) -> None:
    git(repository, "worktree", "add", "--quiet", str(tmp_path / "theirs"))
    git(repository, "worktree", "lock", str(tmp_path / "theirs"))
    for name in ("old", "young"):
        (repository / ".git/worktrees" / name).mkdir()
        (repository / ".git/worktrees" / name / "locked").write_text("initializing\n")
    (repository / ".git/worktrees/earlier").mkdir()  # killed before it had written anything there
    for name, left in (
        ("removal", "index"),
        ("pointer", "gitdir"),
    ):  # killed in the removal; in the first write
        (repository / ".git/worktrees" / name).mkdir()
        (repository / ".git/worktrees" / name / left).touch()
    for name in ("old", "earlier", "removal", "pointer", "theirs"):
        os.utime(repository / ".git/worktrees" / name, (10**9, 10**9))
    await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    await places.discard(folder(repository, "t"))
    assert sorted(path.name for path in (repository / ".git/worktrees").iterdir()) == ["theirs", "young"]


async def test_a_lock_that_another_git_holds_is_waited_for(repository: Path, places: Isolation) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "new").write_text("x")
    assert place.worktree is not None
    lock = place.worktree.common / f"{place.worktree.ref}.lock"
    lock.touch()
    keeping = asyncio.ensure_future(places.keep(place, "m"))
    await asyncio.sleep(0.3)
    assert not keeping.done()
    lock.unlink()
    assert (await keeping).branch == place.branch


async def test_a_lock_that_a_killed_git_has_left_is_removed(repository: Path, places: Isolation) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "new").write_text("x")
    assert place.worktree is not None
    left = [place.worktree.common / f"{place.worktree.ref}.lock", place.worktree.admin / "index.lock"]
    for lock in left:
        lock.touch()
        os.utime(lock, (10**9, 10**9))
    assert (await places.keep(place, "m")).branch == place.branch


@pytest.mark.slow
async def test_a_lock_that_was_left_a_moment_ago_is_outwaited(repository: Path, places: Isolation) -> None:
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    (place.root / "new").write_text("x")
    assert place.worktree is not None
    (place.worktree.common / f"{place.worktree.ref}.lock").touch()
    assert (await places.keep(place, "m")).branch == place.branch


async def test_cancelling_lets_git_end_first(repository: Path, places: Isolation) -> None:
    before = state(repository)
    making = asyncio.ensure_future(places.make("worktree", repository, folder(repository, "t"), task_id="t"))
    await asyncio.sleep(0.02)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert state(repository) == before
    place = await places.make("worktree", repository, folder(repository, "t"), task_id="t")
    assert (place.root / "shared.txt").exists()
