import os
import pty
import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from threading import Event

import pytest

from agentbatch.cli.runs import prune
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.listing import RunCondition, list_runs, runs_folder
from agentbatch.runs.pruning import Candidate, candidate, choose, size
from agentbatch.workspace.isolation.isolation import Isolation
from agentbatch.workspace.isolation.worktree.git import Git
from agentbatch.workspace.setup_cache import CacheFolder
from tests.runs.stored_runs import begin, end, finished, interrupted, left_behind
from tests.support.subcommand import run_command


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def left(base: Path) -> list[str]:
    return [run.run_id for run in list_runs(base)]


def candidates(*conditions: RunCondition | None) -> list[Candidate]:
    """The newest first, one an hour old, the next two hours…"""
    return [
        Candidate(RunFolder(Path(f"/r/{n}")), condition, 1_000_000.0 - 3600 * (n + 1))
        for n, condition in enumerate(conditions)
    ]


@pytest.mark.parametrize(
    ("how", "going"),
    [
        ({"keep": 0}, ["1", "5"]),
        ({"keep": 2}, ["5"]),
        ({"keep": 0, "unfinished": True}, ["1", "2", "3", "4", "5"]),
        ({"keep": 0, "older_than": 3 * 3600.0}, ["5"]),
        ({"keep": 0, "older_than": 2 * 3600.0}, ["1", "5"]),
        ({"keep": 3, "older_than": 7200.0, "unfinished": True}, ["3", "4", "5"]),
        ({"keep": 10}, []),
    ],
)
def test_which_runs_go(how: dict[str, float], going: list[str]) -> None:
    runs = candidates("running", "finished", "interrupted", "died", None, "finished")
    chosen = choose(runs, 1_000_000.0, **how)  # type: ignore[arg-type]
    assert [run.folder.run_id for run in chosen] == going


@pytest.mark.slow
async def test_the_ten_newest_and_the_unfinished_stay_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unfinished = await interrupted(tmp_path, datetime(2025, 1, 1))
    ids = [(await finished(tmp_path, datetime(2026, 1, day))).run_id for day in range(1, 13)]
    assert run_command(prune, "--yes") == 0
    out = capsys.readouterr().out
    assert left(tmp_path) == [*reversed(ids[2:]), unfinished.run_id]
    assert re.search(r"Removed 2 runs, \d\.\d MB\.\n$", out)
    assert run_command(prune, "--yes") == 0
    assert capsys.readouterr().out == "There is nothing to remove.\n"
    assert run_command(prune, "--keep", "1", "--all", "-y") == 0
    assert left(tmp_path) == [ids[-1]]


async def test_a_dry_run_and_nobody_to_ask_remove_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = await finished(tmp_path)
    assert run_command(prune, "--keep", "0", "--dry-run") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"  {folder.run_id}  finished ")
    assert out.endswith(" would be removed.\n")
    with pytest.raises(UserError, match="add --yes"):
        run_command(prune, "--keep", "0")
    assert left(tmp_path) == [folder.run_id]


async def test_a_run_under_way_is_never_removed(tmp_path: Path) -> None:
    store = begin(tmp_path)
    assert run_command(prune, "--keep", "0", "--all", "--yes") == 0
    with pytest.raises(UserError, match=f"is running: `agentbatch stop {store.folder.run_id}` first"):
        run_command(prune, store.folder.run_id, "--all", "--yes")
    assert left(tmp_path) == [store.folder.run_id]
    await store.close()


async def test_named_runs_go_if_nothing_of_them_is_left_to_do(tmp_path: Path) -> None:
    done = await finished(tmp_path, datetime(2026, 1, 1))
    open_one = await left_behind(tmp_path, datetime(2026, 2, 1))
    broken = await finished(tmp_path, datetime(2026, 3, 1))
    broken.database.write_bytes(b"nothing")
    with pytest.raises(UserError, match="can be resumed: `agentbatch resume .*Nothing was removed"):
        run_command(prune, done.run_id, open_one.run_id, "--yes")
    with pytest.raises(UserError, match=r"cannot be read\. Add --all to remove it anyway"):
        run_command(prune, broken.run_id, "--yes")
    assert len(left(tmp_path)) == 3
    assert run_command(prune, "202601", done.run_id, "--yes") == 0
    assert left(tmp_path) == [broken.run_id, open_one.run_id]
    assert run_command(prune, broken.run_id, open_one.run_id, "--all", "--yes") == 0
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--older-than", "30"], "--older-than: must be an age such as 30m, 12h, 7d or 2w"),
        (["--older-than", "²d"], "--older-than: must be"),
        (["--keep", "-1"], "--keep: must be a whole number"),
        (["x", "--keep", "1"], "not both"),
        (["nowhere"], "There are no runs"),
    ],
)
def test_mistakes_get_a_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        run_command(prune, *[f"{words[0]}={words[1]}"] if words[0].startswith("--") else words)


async def test_age_alone_keeps_no_number_of_runs(tmp_path: Path) -> None:
    folder = await finished(tmp_path)
    assert run_command(prune, "--older-than", "1h", "--yes") == 0
    assert left(tmp_path) == [folder.run_id]
    assert run_command(prune, "--older-than", "0m", "--yes") == 0
    assert left(tmp_path) == []


async def test_links_in_a_run_are_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (precious / "work").mkdir(parents=True)
    (precious / "work" / "file").write_text("kept")
    (precious / "file").write_text("mine" * 100_000)
    (tmp_path / "results.json").write_text("{}")
    folder = await finished(tmp_path)
    (folder.path / "tasks").mkdir()
    (folder.path / "tasks" / "dir").symlink_to(precious)
    (folder.path / "tasks" / "t0").mkdir()
    (folder.path / "tasks" / "t0" / "work").symlink_to(precious / "work")
    (folder.path / "tasks" / "file").symlink_to(precious / "file")
    assert size(folder.path) < 300_000
    linked = runs_folder(tmp_path) / "20200101-000000-abcd"
    linked.symlink_to(precious)
    assert run_command(prune, "--keep", "0", "--all", "--yes") == 0
    assert left(tmp_path) == []
    assert (precious / "file").read_text() == "mine" * 100_000
    assert (precious / "work" / "file").read_text() == "kept"
    assert (tmp_path / "results.json").exists()
    assert linked.is_symlink()


async def test_worktrees_of_a_run_go_with_it_and_their_branches_stay(tmp_path: Path) -> None:
    project = tmp_path / "project"
    git = Git(os.environ)
    project.mkdir()
    git.run("init", "-q", cwd=project)
    (project / "a.txt").write_text("a")
    git.run("add", ".", cwd=project)
    git.run("-c", "user.name=n", "-c", "user.email=e@e", "commit", "-q", "-m", "first", cwd=project)
    folder = await finished(tmp_path)
    place = await Isolation(folder.run_id, os.environ).make(
        "worktree", project.resolve(), folder.task("t0") / "work", task_id="t0"
    )
    (place.root / "b.txt").write_text("b")
    await Isolation(folder.run_id, os.environ).keep(place, "work")
    assert run_command(prune, "--keep", "0", "--yes") == 0
    assert not folder.path.exists()
    assert len(git.run("worktree", "list", cwd=project).splitlines()) == 1
    assert f"agentbatch/{folder.run_id}/t0" in git.run("branch", "--list", cwd=project)


async def test_a_folder_that_lies_elsewhere_is_not_touched(tmp_path: Path) -> None:
    folder = await finished(tmp_path)
    stuff = tmp_path / "stuff"
    shutil.copytree(folder.path, stuff)
    with pytest.raises(UserError, match="does not lie in a folder of runs"):
        run_command(prune, folder.run_id, "./stuff", "--yes")
    assert (stuff / "run.db").exists()
    assert left(tmp_path) == [folder.run_id]


async def test_what_an_earlier_prune_left_goes_with_the_next(tmp_path: Path) -> None:
    folder = await finished(tmp_path)
    rest = runs_folder(tmp_path) / f".pruned-{folder.run_id}"
    folder.path.rename(rest)
    assert run_command(prune, "--dry-run") == 0
    assert rest.exists()
    assert run_command(prune) == 0
    assert not rest.exists()


def on_a_terminal(folder: Path, answer: str) -> str:
    """What `agentbatch prune` shows before it is given the answer."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "agentbatch", "prune", "--keep", "0"],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while b"[y/N] " not in shown:
            shown += os.read(ours, 1000)
        os.write(ours, answer.encode())
        assert process.wait(timeout=300) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode()


@pytest.mark.parametrize(("answer", "stays"), [("y\n", 0), ("\n", 1), ("no\n", 1)])
async def test_a_terminal_is_asked(tmp_path: Path, answer: str, stays: int) -> None:
    await finished(tmp_path)
    assert "Remove 1 run, " in on_a_terminal(tmp_path, answer)
    assert len(left(tmp_path)) == stays


async def test_a_finished_run_that_can_be_resumed_stays_like_an_unfinished_one(tmp_path: Path) -> None:
    store = begin(tmp_path, 1, datetime(2025, 1, 1))
    end(store, "t0", status="error", reason="model_error", resumable=True)
    store.emit(e.RunFinished())
    await store.close()
    (run,) = [candidate(folder) for folder in list_runs(tmp_path)]
    assert (run.condition, run.resumable) == ("finished", True)
    assert choose([run], 2e9, keep=0) == []
    assert choose([run], 2e9, keep=0, unfinished=True) == [run]


async def test_what_setups_have_made_goes_when_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, run = tmp_path / ".agentbatch/setup", tmp_path / "made"
    run.mkdir()
    (run / "x").write_text("1" * 9000)
    CacheFolder(kept).keep("1" * 64, tmp_path, ["made"], Event())
    assert run_command(prune, "--setups", "--dry-run") == 0
    assert (kept / ("1" * 64)).is_dir()
    assert run_command(prune, "--setups", "--yes") == 0
    assert run_command(prune, "--setups", "--yes") == 0
    assert [one.name for one in kept.iterdir()] == ["lock"]
    said = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in said] == [
        "What setups have made",
        "Removed what setups have made",
        "There is nothing to remove.",
    ]
