"""The sample batch on a real Ray of two machines: what it makes is what is made at home."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from agentbatch.cluster.remote.workspace import REPEATED, UNKNOWN
from agentbatch.errors import UserError
from agentbatch.runs import events as e
from agentbatch.runs.store.database import load_events, reading
from tests.support.paths import CHECKOUT
from tests.support.ray_cluster import BATCH_PATIENCE, MACHINES, RayCluster, environment, run
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

AGENTBATCH = """
import math, sys
from agentbatch.cli.main import main
from agentbatch.cluster.remote import workspace
workspace.SOON = math.inf
sys.exit(main())
"""
"""It brings home what a call has done before that is answered, however slow this machine is: scripted models do nothing
again."""

COMMAND = (sys.executable, "-P", "-c", AGENTBATCH)


def sample(folder: Path) -> Path:
    folder.mkdir()
    shutil.copy(CHECKOUT / "task.json", folder)
    return folder


def plain_environ(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "XDG_CACHE_HOME": f"{folder}-cache"}


def batch(folder: Path, cluster: RayCluster, *arguments: str) -> dict[str, str]:
    """Run it; the status of each task."""
    argv = cluster.argv(*COMMAND, "--parallel", "2", "--display", "plain", *arguments)
    done = run(argv, cwd=folder, env=environment(cluster, plain_environ(folder)))
    assert done.returncode == 0, done.stdout + done.stderr
    return statuses(folder)


def made_by(folder: Path) -> dict[str, bytes]:
    root = folder / "workspace"
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("shared", [False, True], ids=["moved", "shared"])
def test_the_sample_batch_makes_what_it_makes_at_home(
    cluster: RayCluster, tmp_path: Path, shared: bool
) -> None:
    away, here = sample(tmp_path / "away"), sample(tmp_path / "here")
    found = batch(away, cluster, "--cluster", cluster.address, *(["--cluster-shared"] if shared else []))
    assert set(found.values()) == {"completed"}
    assert len(found) == 10
    batch(here, cluster)
    assert made_by(away) == made_by(here) != {}
    assert cluster.left() == []


def begin(folder: Path, cluster: RayCluster, *arguments: str) -> "subprocess.Popen[str]":
    argv = cluster.argv(*COMMAND, *arguments)
    environ = environment(cluster, plain_environ(folder))
    with open(f"{folder}.out", "a", encoding="utf-8") as out:
        return subprocess.Popen(argv, cwd=folder, env=environ, stdout=out, stderr=out, text=True)


def statuses(folder: Path) -> dict[str, str]:
    results = json.loads((folder / "parallel_batch_results.json").read_text())["results"]
    return {one["task"]["id"]: one["result"]["status"] for one in results}


def test_five_times_a_machine_is_killed_at_random(cluster: RayCluster, tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    away, here = sample(tmp_path / "away"), sample(tmp_path / "here")
    arguments = ("--parallel", "2", "--display", "plain", "-v", "--cluster", cluster.address)
    process = begin(away, cluster, *arguments)
    wait_until(
        lambda: process.poll() is not None or any(isinstance(one, e.TaskStarted) for one in events_of(away))
    )
    killed, over = 0, False
    while process.poll() is None and killed < 5:
        time.sleep(chance.uniform(1, 6))
        machine = chance.choice(MACHINES)
        cluster.kill_machine(machine)
        before = events_of(away)
        cluster.add_machine(machine)
        killed += 1
        over = sum(isinstance(one, e.TaskFinished) for one in events_of(away)) == 10
        wait_until(lambda: process.poll() is not None or has_gone_on(away, before, machine))  # noqa: B023
    assert process.wait(BATCH_PATIENCE) == 0, f"seed {seed}: {Path(f'{away}.out').read_text()}"
    assert set(statuses(away).values()) == {"completed"}, f"seed {seed}"
    batch(here, cluster)
    assert made_by(away) == made_by(here), f"seed {seed}"
    if over:  # nobody clears a machine that is not there when the run ends
        cluster.wipe()
    assert cluster.left() == []
    there, at_home = Calls.of(away), Calls.of(here)
    sys.stdout.write(f"seed {seed}, {killed} machines killed: {there}; without any: {at_home}\n")
    assert there.repeated + there.unknown <= killed * MAX_AT_WORK, there
    assert there.tools - at_home.tools <= killed * MAX_AT_WORK, (there, at_home)
    assert there.model - at_home.model <= killed * MAX_AT_WORK, (there, at_home)


def events_of(folder: Path) -> list[e.Event]:
    """Of its run, so far."""
    for database in folder.glob(".agentbatch/runs/*/run.db"):
        with suppress(UserError), reading(database) as connection:  # it is just being made
            return load_events(connection, 0, 1_000_000)
    return []


def has_gone_on(folder: Path, before: Sequence[e.Event], machine: str) -> bool:
    """Each task that was on the machine has come further: a step that loses two is an error. `before`: events until it
    was lost."""
    over = {one.task_id for one in before if isinstance(one, e.TaskFinished)}
    placed = {one.task_id: one.place for one in before if isinstance(one, e.TaskPlaced)}
    waiting = {task for task, place in placed.items() if place == f"node {machine}"} - over
    elsewhere = set[str]()
    for event in events_of(folder)[len(before) :]:
        match event:
            case e.TaskPlaced(waits=False):
                elsewhere.add(event.task_id)
            case e.ToolFinished() | e.CheckFinished() if event.task_id in elsewhere:
                waiting.discard(event.task_id)
            case e.TaskFinished():
                waiting.discard(event.task_id)
    return not waiting


MAX_AT_WORK = 1
"""Tasks on one machine, which has one processor."""


class Calls(NamedTuple):
    """Of a run, by its own record; a call that is made again on another machine is one call that was repeated."""

    model: int
    tools: int
    repeated: int
    unknown: int

    @classmethod
    def of(cls, folder: Path) -> "Calls":
        events = events_of(folder)
        tools = [one for one in events if isinstance(one, e.ToolFinished)]
        return cls(
            sum(isinstance(one, e.ModelCallFinished) for one in events),
            len(tools),
            sum(REPEATED in one.summary for one in tools),
            sum(UNKNOWN in one.summary for one in tools),
        )


def test_an_engine_is_killed_and_its_run_goes_on(cluster: RayCluster, tmp_path: Path) -> None:
    away, here = sample(tmp_path / "away"), sample(tmp_path / "here")
    arguments = ("--parallel", "2", "--display", "plain", "--cluster", cluster.address)
    process = begin(away, cluster, *arguments)
    for wanted in (1, 3):
        wait_until(partial(_has_completed, away, wanted, process))
        assert process.poll() is None, Path(f"{away}.out").read_text()
        process.kill()
        process.wait()
        process = begin(away, cluster, "resume", "--display", "plain")
    assert process.wait(BATCH_PATIENCE) == 0, Path(f"{away}.out").read_text()
    assert set(statuses(away).values()) == {"completed"}
    batch(here, cluster)
    assert made_by(away) == made_by(here)
    wait_until(lambda: cluster.left() == [])


def _has_completed(folder: Path, wanted: int, process: "subprocess.Popen[str]") -> bool:
    """So many tasks; or it is over."""
    logs = list(folder.glob(".agentbatch/runs/*/run.log"))
    completed = logs[0].read_text().count(": completed in") if logs else 0
    return completed >= wanted or process.poll() is not None
