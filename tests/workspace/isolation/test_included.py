"""Files that no commit holds, in a task's worktree or copy because the user has named them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.isolation import included
from agentbatch.workspace.isolation.included import IncludedFiles, meant_by, shown_env_files
from agentbatch.workspace.isolation.isolated_dir import IsolatedDir
from agentbatch.workspace.isolation.isolation import Isolation
from tests.workspace.repositories import environment, git, make_repository, needs_git, state

KEY = "sk-proj-0123456789abcdefghij"
REDACT = Redactor([KEY])


def write(root: Path, *names: str, text: str = "x\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("include", "paths", "missing"),
    [
        ([".env.test"], [".env.test"], []),
        (["conf/*.yml"], ["conf/a.yml"], []),
        (["conf"], ["conf/a.yml", "conf/deep/b.txt"], []),
        (["**/*.txt"], ["conf/deep/b.txt", "top.txt"], []),
        (["**/.env*", "**"], ["conf/a.yml", "conf/deep/b.txt", "top.txt"], []),
        (["nothing", "conf/*.ini"], [], ["nothing", "conf/*.ini"]),
        ([".agentbatch/runs/config", ".git/config"], [], [".agentbatch/runs/config", ".git/config"]),
        (["**/config"], [], ["**/config"]),
    ],
)
def test_what_patterns_of_a_task_mean(
    tmp_path: Path, include: list[str], paths: list[str], missing: list[str]
) -> None:
    write(tmp_path, ".env.test", "conf/a.yml", "conf/deep/b.txt", "conf/.env", "top.txt")
    write(tmp_path, ".agentbatch/runs/config", ".git/config", "conf/.git/config")
    found = meant_by(tmp_path, include)
    assert list(found.paths) == paths
    assert [text.split(" ")[1] for text in found.notices] == missing


def test_env_files_are_shown_where_they_are_named_and_hold_no_key(tmp_path: Path) -> None:
    write(tmp_path, ".env.test", "sub/.env", "a.txt")
    write(tmp_path, ".env", text=f"OPENAI_API_KEY={KEY}\n")
    found = shown_env_files(
        tmp_path, [".env", ".env.test", "sub/*", "sub/.env", "a.txt", ".env.gone"], REDACT
    )
    assert found == IncludedFiles(
        (".env.gone", ".env.test", "sub/.env"),
        ("include: .env holds a key of agentbatch's own, and stays hidden.",),
    )


@pytest.fixture
def places(tmp_path: Path) -> Isolation:
    return Isolation("r", environment(tmp_path / "home"))


BASE = {"a.txt": "a\n", "lib/b.txt": "b\n", ".gitignore": "*.local\nbuild/\n.env*\nlink*\n"}


async def bring(
    places: Isolation, repository: Path, work: Path, include: Sequence[str] = (), inside: str = ""
) -> tuple[IsolatedDir, IncludedFiles]:
    place = await places.make("worktree", repository / inside, work, task_id="t")
    return place, await places.include(place, include, REDACT)


@needs_git
async def test_what_git_ignores_and_worktreeinclude_names(tmp_path: Path, places: Isolation) -> None:
    rules = "# ours\n*.local\n!no.local\n/build/keep/\na.txt\n.env*\nseen.txt\n"
    repository = make_repository(tmp_path / "repo", {**BASE, ".worktreeinclude": rules})
    write(repository, "x.local", "lib/y.local", "no.local", "build/keep/z", "build/other", "seen.txt", ".env")
    write(repository, ".agentbatch/x.local")
    before = state(repository)
    place, found = await bring(places, repository, tmp_path / "work")
    assert found.paths == ("build/keep/z", "lib/y.local", "x.local")
    (told,) = found.notices
    assert told.startswith(".worktreeinclude: env files stay hidden")
    _, named = await bring(places, repository, tmp_path / "work2", [".env"])
    assert ".env" in named.paths
    assert named.notices == (), "the task names it"
    assert (place.root / "lib/y.local").read_text() == "x\n"
    assert not (place.root / ".env").exists()
    assert state(repository) == before


@needs_git
async def test_worktreeinclude_counts_as_it_was_committed(tmp_path: Path, places: Isolation) -> None:
    repository = make_repository(tmp_path / "repo", BASE)
    write(repository, "x.local")
    write(repository, ".worktreeinclude", text="*.local\n")
    _, found = await bring(places, repository, tmp_path / "work")
    assert found == IncludedFiles(
        (), (".worktreeinclude is not in the last commit, and counts only from there.",)
    )


@needs_git
async def test_what_a_task_in_a_folder_includes(tmp_path: Path, places: Isolation) -> None:
    repository = make_repository(tmp_path / "repo", BASE)
    write(repository, "x.local", "lib/.env.test", "lib/deep/y.local")
    (repository / "lib/b.txt").write_text("not committed\n")
    place, found = await bring(
        places, repository, tmp_path / "work", [".env.test", "**/*.local", "b.txt"], inside="lib"
    )
    assert found[:2] == (("lib/.env.test", "lib/deep/y.local"), ())
    assert (place.root / "b.txt").read_text() == "b\n"
    assert (place.root / "deep/y.local").read_text() == "x\n"


@needs_git
async def test_nothing_comes_or_goes_through_links(tmp_path: Path, places: Isolation) -> None:
    away = tmp_path / "away"
    write(away, "secret.local", "in/secret.local")
    repository = make_repository(tmp_path / "repo", {**BASE, ".worktreeinclude": "link*\nout/\n"})
    (repository / "out").symlink_to(away)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "a link")
    (repository / "out").unlink()
    write(repository, "out/new.local")
    (repository / "link1").symlink_to(away / "secret.local")
    (repository / "link2").symlink_to(away / "in")
    os.mkfifo(repository / "link3")
    include = ["link1", "link2/secret.local", "out/new.local"]
    place, found = await bring(places, repository, tmp_path / "work", include)
    assert found.paths == ()
    assert all(name in found.notices[-1] for name in ("link1", "link2", "out/new.local"))
    assert sorted(path.name for path in away.iterdir()) == ["in", "secret.local"]
    assert sorted(path.name for path in place.root.iterdir()) == sorted(
        [".git", ".gitignore", ".worktreeinclude", "a.txt", "lib", "out"]
    )


@needs_git
async def test_no_key_of_ours_is_included(tmp_path: Path, places: Isolation) -> None:
    repository = make_repository(tmp_path / "repo", BASE)
    write(repository, ".env.test", "k.local", text=f"KEY='{KEY}'\n")
    place, found = await bring(places, repository, tmp_path / "work", [".env.test", "*.local"])
    assert found.paths == ()
    assert len(found.notices) == 2
    assert not (place.root / "k.local").exists()


@pytest.mark.parametrize(
    ("limit", "most", "sentence"),
    [
        ("MAX_FILES", 2, "means more than 2 files"),
        ("MAX_LOOKED_AT", 2, "has more than 2 files; name what is to be included without wildcards"),
    ],
)
def test_too_many_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, sentence: str
) -> None:
    write(tmp_path, "a.local", "b.local", "c.local")
    monkeypatch.setattr(included, limit, most)
    with pytest.raises(UserError, match=sentence):
        meant_by(tmp_path, ["*.local"])


@needs_git
async def test_too_much_is_a_sentence(
    tmp_path: Path, places: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make_repository(tmp_path / "repo", BASE)
    write(repository, "a.local", "b.local", "c.local")
    monkeypatch.setattr(included, "MAX_BYTES", 5)
    with pytest.raises(UserError, match="has more than 5 bytes, with c.local"):
        await bring(places, repository, tmp_path / "work", ["*.local"])
