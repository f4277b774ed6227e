"""Isolated tasks in the sandbox: what they see of the disk and of the repository, and what git can do there."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from agentbatch.workspace.isolation.isolated_dir import RECORD, IsolatedDir
from agentbatch.workspace.isolation.isolation import Isolation
from agentbatch.workspace.sandbox.sandbox import SandboxChoice, build_sandbox
from agentbatch.workspace.shell.environment import shell_environment
from agentbatch.workspace.shell.shell import Shell
from tests.workspace.repositories import environment, git, make_repository, needs_git, state

Kind = Literal["copy", "worktree"]


@pytest.fixture(params=["below HOME", "outside"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """In a tree that the sandbox hides (/tmp, as HOME), and in one that it only makes read-only."""
    if request.param == "below HOME":
        place = tmp_path / "home/my repo"
        yield make_repository(place, {"shared.txt": "0\n", "sub/a.txt": "a\n"})
        return
    outside = Path(f"/var/lib/agentbatch-isolation-{os.getpid()}")
    try:
        outside.mkdir()
    except OSError:
        pytest.skip("needs a place outside of /tmp and HOME: cannot write to /var/lib")
    try:
        yield make_repository(outside / "my repo", {"shared.txt": "0\n", "sub/a.txt": "a\n"})
    finally:
        shutil.rmtree(outside)


@pytest.fixture
def places(tmp_path: Path) -> Isolation:
    return Isolation("run", environment(tmp_path / "home"))


def work(repository: Path, task: str) -> Path:
    return repository / ".agentbatch/runs/run/tasks" / task / "work"


def shell(choice: SandboxChoice, place: IsolatedDir, home: Path, tmp_path: Path) -> Shell:
    """As RunContext.workspace makes it."""
    env = shell_environment(os.environ, {**place.env, "HOME": str(home)}, ())
    sandbox = build_sandbox(
        choice,
        root=place.root,
        home=home,
        path_variable=env["PATH"],
        hidden_dirs=(place.source, place.folder.parents[3]),
        hidden_files=(place.source / ".env", place.root / ".env"),
        readable=(tmp_path / "outputs", *place.readable),
        network=True,
    )
    return Shell(place.root, sandbox, env, tmp_path / "outputs")


@needs_git
@pytest.mark.parametrize("kind", ["copy", "worktree"])
async def test_in_the_sandbox_a_task_works_in_its_place_alone(
    bubblewrap: SandboxChoice, repository: Path, places: Isolation, tmp_path: Path, kind: Kind
) -> None:
    home = tmp_path / "home"
    before = state(repository)
    place = await places.make(kind, repository, work(repository, "t"), task_id="t")
    other = await places.make(kind, repository, work(repository, "other"), task_id="other")
    (other.root / "shared.txt").write_text("of the other one\n")
    box = shell(bubblewrap, place, home, tmp_path)
    result = await box.run(
        "pwd; cat shared.txt; echo mine > shared.txt; git status --short; git log --format=%s"
    )
    assert result.output == f"{place.root}\n0\n M shared.txt\nfirst\n"
    assert result.exit_code == 0
    assert (place.root / "shared.txt").read_text() == "mine\n"
    diff = await box.run("git diff --stat; git show HEAD:shared.txt")
    assert "1 file changed" in diff.output
    assert diff.output.endswith("0\n")
    attempts = await box.run(
        f"cat '{other.root}/shared.txt'; cat '{repository}/shared.txt'; echo x > '{repository}/shared.txt'; "
        f"echo x > '{repository}/.git/hooks/pre-commit'; echo x > '{repository}/.git/config'; "
        f"rm -rf '{repository}/.git/objects'; ls '{place.folder}'"
    )
    assert "of the other one" not in attempts.output
    assert "mine" not in attempts.output
    assert RECORD not in attempts.output
    assert state(repository) == before
    assert git(repository, "fsck") == ""


@needs_git
async def test_what_git_can_and_cannot_do_in_a_worktree(
    bubblewrap: SandboxChoice, repository: Path, places: Isolation, tmp_path: Path
) -> None:
    place = await places.make("worktree", repository, work(repository, "t"), task_id="t")
    box = shell(bubblewrap, place, tmp_path / "home", tmp_path)
    assert place.branch in (await box.run("git branch --show-current")).output
    for command in (
        "git add -A",
        "git -c user.name=x -c user.email=x commit --allow-empty -m x",
        "git stash",
    ):
        refused = await box.run(f"echo x > new; {command}")
        assert refused.exit_code not in (0, None), command
    assert "Read-only file system" in (await box.run("git add -A")).output
    kept = await places.keep(place, "m")
    assert git(repository, "show", f"{kept.branch}:new") == "x"


@needs_git
async def test_a_subdirectory_is_writable_and_the_rest_of_its_worktree_is_not(
    bubblewrap: SandboxChoice, repository: Path, places: Isolation, tmp_path: Path
) -> None:
    place = await places.make("worktree", repository / "sub", work(repository, "t"), task_id="t")
    box = shell(bubblewrap, place, tmp_path / "home", tmp_path)
    result = await box.run("echo b > a.txt; cat ../shared.txt; git status --short; echo x > ../shared.txt")
    assert result.output.startswith("0\n M a.txt\n")
    assert "Read-only file system" in result.output
    kept = await places.keep(place, "m")
    assert git(repository, "show", "--format=", "--name-only", kept.branch) == "sub/a.txt"


@needs_git
async def test_a_password_in_the_repositorys_config_is_not_shown(
    bubblewrap: SandboxChoice, tmp_path: Path, places: Isolation
) -> None:
    repository = make_repository(tmp_path / "home/repo", {"a": "a\n"})
    git(repository, "remote", "add", "origin", "https://user:very-secret@example.org/x.git")
    place = await places.make("worktree", repository, work(repository, "t"), task_id="t")
    box = shell(bubblewrap, place, tmp_path / "home", tmp_path)
    result = await box.run(f"echo b > a; git status --short; cat '{repository}/.git/config'; git remote -v")
    assert result.output.startswith(" M a\n")
    assert "very-secret" not in result.output
    git(repository, "remote", "set-url", "origin", "git@example.org:x.git")
    place = await places.make("worktree", repository, work(repository, "u"), task_id="u")
    box = shell(bubblewrap, place, tmp_path / "home", tmp_path)
    assert "git@example.org:x.git" in (await box.run("git remote -v")).output


@needs_git
async def test_without_a_sandbox_git_in_a_copy_does_not_find_the_users_repository(
    tmp_path: Path, places: Isolation
) -> None:
    """A copy of a subdirectory lies in the run's folder, inside of the user's checkout."""
    repository = make_repository(tmp_path / "repo", {"shared.txt": "0\n", "sub/a.txt": "a\n"})
    (repository / "shared.txt").write_text("mine\n")
    place = await places.make("copy", repository / "sub", work(repository, "t"), task_id="t")
    box = shell(SandboxChoice("none", None, ""), place, tmp_path, tmp_path)
    result = await box.run("git reset --hard")
    assert "not a git repository" in result.output
    assert (repository / "shared.txt").read_text() == "mine\n"
