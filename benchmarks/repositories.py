"""What tasks in a real repository cost: places to work in, baselines, snapshots, commits.

    python -m benchmarks.repositories [--files 2000 20000] [--tasks 40] [--latency 1.0] [--isolation worktree copy none]

Makes a git repository of so many files; each task has five model calls and changes two files, all tasks at once. Every
run is a process of its own, against a rehearsal server in another one, beside the same tasks in empty directories: what
differs is the repository's. With isolation `none` each task has a copy of the repository that was made before. Figures
are printed, nothing is asserted. CPU includes that of child processes (git); memory is the engine's own.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from agentbatch.api import run_batch
from agentbatch.config import load_settings
from agentbatch.rehearsal.faults.benchmark import REPOSITORY_PROMPT
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.run.prepare.prepare import prepare
from benchmarks.overhead import server

CALLS_A_TASK = 5
"""Four coder steps and one evaluation."""
FOLDER_FILES = 20
"""Files in one folder of the repository."""
WORDS = ("widget", "value", "reads", "from", "parent", "when", "layout", "begins", "event", "arrives")


@dataclass
class Figures:
    """Of one run; times in seconds, sizes in MB."""

    completed: int
    wall: float
    """From the run's start to its written results."""
    cpu: float
    memory: float
    """Peak, above what it was when the run started."""
    disk: float
    """What stays: the run's folder, and what the repository has more than before."""
    first_call: list[float]
    """Of each task, between its start and its first model call."""


def make_repository(folder: Path, files: int) -> None:
    """So many files of text in folders, most of them small, all of them committed; the same ones each time."""
    chance = random.Random(files)
    for number in range(files - 1):
        place = folder / f"part{number // FOLDER_FILES // 20}" / f"module{number // FOLDER_FILES}"
        place.mkdir(parents=True, exist_ok=True)
        size = min(60_000, int(chance.lognormvariate(8.0, 1.0)))  # median 3 kB, mean 5 kB
        lines = [f"# file {number}"]
        length = 0
        while length < size:
            lines.append(" ".join(chance.choices(WORDS, k=12)))
            length += len(lines[-1]) + 1
        (place / f"text{number}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "README.md").write_text("# Benchmark\n", encoding="utf-8")
    for words in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        ["-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "--quiet", "--message", "All of it"],
        ["gc", "--quiet"],
    ):
        # Else git would pack by itself, in the background, and refuse to at the end.
        subprocess.run(
            ["git", "-c", "gc.auto=0", "-c", "maintenance.auto=false", *words], cwd=folder, check=True
        )


def megabytes(folder: Path) -> float:
    """On the disk, as `du` counts."""
    done = subprocess.run(["du", "-sk", str(folder)], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout.split()[0]) / 1024


def cpu() -> float:
    """Seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def git_worktrees(repository: Path, number: int) -> tuple[float, float]:
    """Wall and CPU seconds of one plain `git worktree add` and its removal."""
    begun, before = time.perf_counter(), cpu()
    with tempfile.TemporaryDirectory() as folder:
        for n in range(number):
            words = ["git", "worktree", "add", "--quiet", "--detach", str(Path(folder, str(n)))]
            subprocess.run(words, cwd=repository, check=True)
        added = time.perf_counter() - begun, cpu() - before
    subprocess.run(["git", "worktree", "prune"], cwd=repository, check=True)
    return added[0] / number, added[1] / number


def measure(base: Path, entries: Sequence[dict[str, str]], url: str) -> Figures:
    """Run a batch in a separate process."""
    (base / "task.json").write_text(json.dumps({"tasks": entries}), encoding="utf-8")
    begun = megabytes(base)
    command = [sys.executable, "-m", "benchmarks.repositories", "--inside", str(base), url]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures = Figures(**json.loads(done.stdout))
    figures.disk = megabytes(base) - begun
    return figures


def inside(folder: Path, url: str) -> Figures:
    """The measured process: one batch, from a prepared run to the written results."""
    tasks = len(json.loads((folder / "task.json").read_text(encoding="utf-8"))["tasks"])
    flags = {
        "mode": "parallel",
        "parallel": tasks,
        "rest_ms": 0,
        "sandbox": "none",
        "coder_endpoint": url,
        "evaluation_base_url": url,
        "coder_model": "rehearsal-coder",
        "evaluation_model": "rehearsal-evaluator",
    }
    settings = load_settings(flags, {**os.environ, "OPENAI_API_KEY": "benchmark"}, folder=folder)
    prepared = prepare(settings, folder=folder)
    begun: dict[str, float] = {}
    first: dict[str, float] = {}
    at_start: list[float] = []

    def note(event: e.Event, _: RunState) -> None:
        match event:
            case e.RunStarted():
                at_start.extend((time.perf_counter(), cpu(), resident()))
            case e.TaskStarted():
                begun[event.task_id] = time.perf_counter()
            case e.IterationStarted():
                first.setdefault(event.task_id, time.perf_counter())

    outcome = asyncio.run(run_batch(prepared, listeners=[note]))
    wall, used, memory = at_start
    return Figures(
        completed=outcome.state.count("completed"),
        wall=time.perf_counter() - wall,
        cpu=cpu() - used,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - memory,
        disk=0.0,
        first_call=[first[task] - begun[task] for task in first],
    )


def resident() -> float:
    """Peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(isolation: str, files: int, tasks: int, url: str) -> Figures:
    """One batch of `tasks` on a repository of `files`; none: in directories that are empty."""
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        repository = base / "repository"
        repository.mkdir()
        make_repository(repository, files)
        entries = [
            {
                "id": f"t{n}",
                "dir": f"copy{n}" if isolation == "none" else "repository",
                "first_prompt": f"{REPOSITORY_PROMPT}{n}",
                "isolation": isolation,
            }
            for n in range(tasks)
        ]
        if isolation == "none":
            for n in range(tasks):
                shutil.copytree(repository, base / f"copy{n}")
        return measure(base, entries, url)


def report(isolation: str, files: int, tasks: int, latency: float, url: str) -> None:
    empty, got = run(isolation, 1, tasks, url), run(isolation, files, tasks, url)
    ideal = CALLS_A_TASK * latency
    starts = sorted(got.first_call)
    print(f"  isolation {isolation}, {tasks} tasks x {CALLS_A_TASK} calls of {latency:g} s, all at once")
    print(f"    completed            {got.completed} of {tasks}")
    print(f"    wall time            {got.wall:.1f} s, ideal {ideal:.1f} s (one file: {empty.wall:.1f} s)")
    print(
        f"    to the first call    median {median(starts):.2f} s, longest {starts[-1]:.2f} s after the task's start"
    )
    print(f"    CPU a task           {got.cpu / tasks:.3f} s (one file: {empty.cpu / tasks:.3f} s)")
    print(f"    memory a task        {got.memory / tasks:.2f} MB (one file: {empty.memory / tasks:.2f} MB)")
    print(f"    disk a task, stays   {got.disk / tasks:.3f} MB (one file: {empty.disk / tasks:.3f} MB)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--tasks", type=int, default=40)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds a model call takes")
    parser.add_argument("--isolation", nargs="+", default=["worktree", "copy", "none"])
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        folder, url = options.inside
        print(json.dumps(asdict(inside(Path(folder), url))))
        return
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    for files in options.files:
        with tempfile.TemporaryDirectory() as place:
            make_repository(Path(place), files)
            size = megabytes(Path(place))
            wall, used = git_worktrees(Path(place), 5)
        print(f"{files:,} files, {size:.0f} MB with history")
        print(f"  plain `git worktree add`  {wall:.3f} s, CPU {used:.3f} s each")
        with server(options.latency) as url:
            for isolation in options.isolation:
                report(isolation, files, options.tasks, options.latency, url)
        print()


if __name__ == "__main__":
    main()
