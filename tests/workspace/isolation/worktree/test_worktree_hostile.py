"""A coder fills its worktree with what makes git run things, or lose them: we commit it outside of the sandbox."""

import shutil
from pathlib import Path

import pytest

from agentbatch.workspace.isolation.isolated_dir import IsolatedDir
from agentbatch.workspace.isolation.isolation import Isolation
from tests.workspace.repositories import branches, environment, git, make_repository, needs_git, state

pytestmark = needs_git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", {"a.txt": "a\n", ".gitignore": "out/\n*.pyc\nnode_modules/\n"})


@pytest.fixture
def places(tmp_path: Path) -> Isolation:
    return Isolation("run", environment(tmp_path / "home"))


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves `sprung` beside it when anybody runs it."""
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    program.chmod(0o755)
    return program


async def make(places: Isolation, repository: Path, tmp_path: Path) -> IsolatedDir:
    return await places.make("worktree", repository, tmp_path / "runs/tasks/t/work", task_id="t")


def hostile_repository(at: Path, trap: Path, tmp_path: Path) -> None:
    """With everything in its config that makes git start programs."""
    make_repository(at, {"inner.txt": "inner\n"})
    for name in ("post-commit", "pre-commit", "post-checkout", "reference-transaction", "post-index-change"):
        shutil.copy(trap, at / ".git/hooks" / name)
    for key in ("core.fsmonitor", "core.pager", "gpg.program", "diff.external", "core.sshCommand"):
        git(at, "config", key, str(trap))
    git(at, "config", "commit.gpgSign", "true")
    # What was needed to make it may have sprung it already.
    (tmp_path / "sprung").unlink(missing_ok=True)


async def test_its_git_file_is_not_followed(
    repository: Path, places: Isolation, trap: Path, tmp_path: Path
) -> None:
    before = state(repository)
    hostile_repository(tmp_path / "evil", trap, tmp_path)
    place = await make(places, repository, tmp_path)
    (place.root / ".git").write_text(f"gitdir: {tmp_path}/evil/.git\n")
    (place.root / "new").write_text("x")
    kept = await places.keep(place, "m")
    assert git(repository, "ls-tree", "--name-only", kept.branch).splitlines() == [
        ".gitignore",
        "a.txt",
        "new",
    ]
    assert git(tmp_path / "evil", "-c", "core.fsmonitor=false", "log", "--format=%s") == "first"
    (tmp_path / "sprung").unlink(missing_ok=True)
    await places.remove(place)
    assert not (tmp_path / "sprung").exists()
    assert state(repository) == before


async def test_a_git_folder_in_its_place_is_not_read(
    repository: Path, places: Isolation, trap: Path, tmp_path: Path
) -> None:
    place = await make(places, repository, tmp_path)
    (place.root / ".git").unlink()
    hostile_repository(tmp_path / "evil", trap, tmp_path)
    (tmp_path / "evil/.git").rename(place.root / ".git")
    (place.root / "new").write_text("x")
    kept = await places.keep(place, "m")
    assert git(repository, "show", f"{kept.branch}:new") == "x"
    await places.remove(place)
    assert not (tmp_path / "sprung").exists()
    assert not (repository / ".git/worktrees").exists()


async def test_repositories_inside_it_are_kept_as_files_and_not_run(
    repository: Path, places: Isolation, trap: Path, tmp_path: Path
) -> None:
    place = await make(places, repository, tmp_path)
    hostile_repository(place.root / "deep/vendored", trap, tmp_path)
    (place.root / "other").mkdir()
    (place.root / "other/.GIT").write_text("gitdir: /nowhere\n")
    (place.root / "other/file").write_text("x")
    (place.root / "other").chmod(0o500)
    kept = await places.keep(place, "m")
    assert git(repository, "show", f"{kept.branch}:deep/vendored/inner.txt") == "inner"
    assert git(repository, "show", f"{kept.branch}:other/file") == "x"
    assert kept.notes == (
        "2 git repositories inside the worktree were committed as plain files, without the history.",
    )
    assert kept.whole
    assert not (tmp_path / "sprung").exists()


async def test_a_submodule_that_it_fills_is_neither_run_nor_lost(
    repository: Path, places: Isolation, trap: Path, tmp_path: Path
) -> None:
    """git looks for changes in a submodule by running git in there, under its config."""
    make_repository(tmp_path / "library", {"lib.txt": "lib\n"})
    git(
        repository,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "--quiet",
        str(tmp_path / "library"),
        "lib",
    )
    git(repository, "commit", "--quiet", "-m", "with a submodule")
    place = await make(places, repository, tmp_path)
    shutil.rmtree(place.root / "lib")
    hostile_repository(place.root / "lib", trap, tmp_path)
    (place.root / "new").write_text("x")
    kept = await places.keep(place, "m")
    assert not (tmp_path / "sprung").exists()
    assert git(repository, "show", f"{kept.branch}:new") == "x"
    assert not kept.whole
    assert "What was changed in git submodules is not committed (lib)" in " ".join(kept.notes)
    assert (place.root / "lib/inner.txt").exists()


async def test_hooks_and_signers_of_the_users_own_settings_do_not_run(
    repository: Path, tmp_path: Path, trap: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {tmp_path}/hooks\n\tfsmonitor = {trap}\n[commit]\n\tgpgSign = true\n"
        f"[gpg]\n\tprogram = {trap}\n[user]\n\tname = Ada\n\temail = ada@example.org\n"
    )
    (tmp_path / "hooks").mkdir()
    for name in ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-index-change"):
        shutil.copy(trap, tmp_path / "hooks" / name)
    stray = {
        "GIT_DIR": str(tmp_path),
        "GIT_INDEX_FILE": str(tmp_path / "i"),
        "GIT_TRACE": str(tmp_path / "trace"),
    }
    places = Isolation("run", environment(home, **stray, OPENAI_API_KEY="secret"))
    place = await make(places, repository, tmp_path)
    (place.root / "new").write_text("x")
    kept = await places.keep(place, "m")
    await places.remove(place)
    assert branches(repository) == [kept.branch]
    assert git(repository, "log", "-1", "--format=%an", kept.branch) == "Ada"
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "trace").exists()


async def test_a_filter_of_the_users_sees_no_key(repository: Path, tmp_path: Path) -> None:
    """.gitattributes may choose among the filters that the user has set up; that is how git-lfs works."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[filter "theirs"]\n\tclean = "env > {tmp_path}/env; cat"\n')
    places = Isolation("run", environment(home, OPENAI_API_KEY="very-secret"))
    place = await make(places, repository, tmp_path)
    (place.root / ".gitattributes").write_text("* filter=theirs\n")
    (place.root / "new").write_text("x")
    await places.keep(place, "m")
    assert "very-secret" not in (tmp_path / "env").read_text()


async def test_what_git_ignores_is_named(repository: Path, places: Isolation, tmp_path: Path) -> None:
    place = await make(places, repository, tmp_path)
    for name in ("out/report.csv", "node_modules/p/index.js", "m.pyc"):
        (place.root / name).parent.mkdir(parents=True, exist_ok=True)
        (place.root / name).write_text("x")
    (place.root / "seen").write_text("x")
    kept = await places.keep(place, "m")
    assert kept.notes == ("Not on the branch, because git ignores it: out/.",)
    assert git(repository, "ls-tree", "--name-only", kept.branch).splitlines() == [
        ".gitignore",
        "a.txt",
        "seen",
    ]


async def test_what_git_refuses_stays_in_the_worktree(
    repository: Path, places: Isolation, tmp_path: Path
) -> None:
    """A name that some disk would take for `.git`."""
    place = await make(places, repository, tmp_path)
    (place.root / "a-bad").mkdir()
    (place.root / "a-bad/git~1").write_text("x")
    (place.root / "good").write_text("x")
    kept = await places.keep(place, "m")
    assert git(repository, "show", f"{kept.branch}:good") == "x"
    assert not kept.whole
    assert kept.notes[0].startswith("Not everything could be committed (error: invalid path 'a-bad/git~1')")


async def test_the_whole_worktree_deleted_is_nothing_kept(
    repository: Path, places: Isolation, tmp_path: Path
) -> None:
    place = await make(places, repository, tmp_path)
    for path in place.root.iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)
    kept = await places.keep(place, "m")
    assert git(repository, "ls-tree", kept.branch) == ""
    await places.remove(place)
    assert branches(repository) == [kept.branch]
