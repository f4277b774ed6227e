"""A process is killed with SIGKILL while it makes, keeps and removes worktrees; the next one finds its way."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from agentbatch.workspace.inspection import remove_isolated_dirs
from agentbatch.workspace.isolation.isolation import Isolation
from tests.support.programs import alive
from tests.support.waiting import until
from tests.support.workspaces import local_workspaces
from tests.workspace.repositories import branches, environment, git, make_repository, needs_git, state

pytestmark = needs_git

TASKS = 4

WORKER = """
import asyncio, os, sys
from pathlib import Path
from agentbatch.workspace.isolation.isolation import Isolation

repository, run = Path(sys.argv[1]), Path(sys.argv[2])

async def task(places, name):
    folder = run / "tasks" / name / "work"
    place = await places.make("worktree", repository, folder, task_id=name)
    (place.root / "shared.txt").write_text(f"{name}\\n")
    (place.root / "large").write_text(name * 100_000)
    await places.keep(place, name)
    await places.remove(place)

async def main():
    places = Isolation("run", os.environ)
    print("ready", flush=True)
    await asyncio.gather(*(task(places, f"t{n}") for n in range(int(sys.argv[3]))))

asyncio.run(main())
"""


@pytest.mark.parametrize("kills", [3, pytest.param(12, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "with_git",
    [pytest.param(False, marks=pytest.mark.slow, id="alone"), pytest.param(True, id="with its git")],
)
async def test_killed_at_any_moment(tmp_path: Path, with_git: bool, kills: int) -> None:
    """Killed alone, its git goes on to its end; killed together, git dies too, wherever it is."""
    files = {"shared.txt": "0\n", **{f"f{n}": "x" * 1000 for n in range(200)}}
    repository = make_repository(tmp_path / "repo", files)
    (repository / "shared.txt").write_text("mine, not committed\n")
    run, environ = repository / ".agentbatch/runs/run", environment(tmp_path / "home")
    before = state(repository)
    luck = random.Random(kills)
    for _ in range(kills):
        begin_and_kill([str(repository), str(run), str(TASKS)], environ, luck.uniform(0, 0.6), with_git)
        assert {**state(repository), "locks": []} == before
    again = Isolation("run", environ)
    for number in range(TASKS):
        name = f"t{number}"
        place = await again.make("worktree", repository, run / "tasks" / name / "work", task_id=name)
        assert len([path for path in place.root.iterdir() if path.name.startswith("f")]) == 200
        (place.root / "shared.txt").write_text(f"{name}\n")
        kept = await again.keep(place, name)
        assert git(repository, "show", f"{kept.branch}:shared.txt") == name
        await again.remove(place)
    assert remove_isolated_dirs(run, environ) == []
    for begun in repository.glob(".git/worktrees/*"):
        pointer = begun / "gitdir"
        assert not pointer.exists() or pointer.read_bytes() == b""
        os.utime(begun, (10**9, 10**9))
    await again.make("worktree", repository, run / "tasks/last/work", task_id="last")
    await again.discard(run / "tasks/last/work")
    assert not (repository / ".git/worktrees").exists()
    assert git(repository, "fsck", "--no-dangling") == ""
    assert len(branches(repository)) >= TASKS
    assert {**state(repository), "locks": []} == before


ENGINE = """
import asyncio, os, sys
from pathlib import Path
from agentbatch.workspace.workspace import Order
from tests.support.workspaces import local_workspaces

place = local_workspaces(Path(sys.argv[2]), os.environ).make(Order("t", sys.argv[1], "worktree", {}, (), 60.0))
asyncio.run(place.start())
"""


@pytest.mark.slow
async def test_a_git_that_a_killed_engine_left_at_work_has_ended_when_the_run_is_resumed(
    tmp_path: Path,
) -> None:
    """On a busy machine it would else make a worktree that was looked for before."""
    repository, tasks = make_repository(tmp_path / "repo", {"a": "a"}), tmp_path / "tasks"
    begun, asked, wrapped = tmp_path / "begun", tmp_path / "asked", tmp_path / "bin/git"
    wrapped.parent.mkdir()
    waits = f"trap ': >{asked}; exit 1' TERM; : >{begun}; sleep 600 & wait"
    words = f'case "$*" in *"worktree add"*) {waits} ;; esac; exec {shutil.which("git")} "$@"'
    wrapped.write_text(f"#!/bin/bash\n{words}\n")
    wrapped.chmod(0o755)
    environ = environment(tmp_path / "home")
    engine = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", ENGINE, str(repository), str(tasks)],
        env={**environ, "PATH": f"{wrapped.parent}:{environ['PATH']}"},
    )
    await until(begun.exists)
    engine.kill()
    await engine.wait()
    await local_workspaces(tasks, environ).remove_leftovers([])
    assert (alive(str(wrapped)), asked.exists()) == ([], True), "it has ended by itself"


def begin_and_kill(arguments: list[str], environ: dict[str, str], seconds: float, with_git: bool) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments], env=environ, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    try:
        worker.wait(seconds)
    except subprocess.TimeoutExpired:
        for pid in (worker.pid, *(below(worker.pid) if with_git else [])):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()


def below(pid: int) -> list[int]:
    """Its children and theirs: each git has a session of its own, so that there is no group to kill."""
    found = [pid]
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    for line in sorted(listed.stdout.splitlines(), key=lambda row: int(row.split()[0])):
        child, parent = map(int, line.split())
        if parent in found:
            found.append(child)
    return found[1:]
