"""What a machine of a cluster costs beside the engine's own, in one sitting.

    unshare -n sh -c 'ip link set lo up; python -m benchmarks.cluster [--files 20] [--calls 200] [--at-once 0]'

A Ray of its own on this machine: what is measured is the way there and back, not a network. First one directory of so
many files: calls of tools and looks at the directory, here and there, by wall time (median) and by the CPU time of the
engine's process alone. Then, with --at-once N, N tasks of four steps with a model that takes a second: the mean of what
each took from the moment that it had a place, and the engine's CPU. (The hands of N tasks are N processes of Python,
which on one machine take longer to start than the work takes; on a cluster each machine starts its own.)
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from agentbatch.api import run_batch
from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.exchange.terms import Walls
from agentbatch.cluster.workspaces import ClusterTerms, ClusterWorkspaces
from agentbatch.config import load_settings
from agentbatch.redaction import Redactor
from agentbatch.rehearsal.faults.benchmark import stepped_prompt
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.preparation import choose_sandbox
from agentbatch.workspace.workspace import Order, Workspace, Workspaces
from benchmarks.overhead import EVALUATOR_CALLS, server

LATENCY = 1.0
STEPS = 4


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def timed(what: Callable[[int], Awaitable[object]], calls: int) -> tuple[float, float]:
    """Milliseconds of one: wall (median), CPU of this process (mean)."""
    walls, before = [], cpu()
    for number in range(calls):
        begun = time.perf_counter()
        await what(number)
        walls.append(time.perf_counter() - begun)
    return statistics.median(walls) * 1e3, (cpu() - before) / calls * 1e3


async def measure(workspaces: Workspaces, root: Path, calls: int) -> dict[str, tuple[float, float]]:
    task = workspaces.make(Order("t", str(root), "none", {}, ("read_file", "write_file", "bash"), 60.0))
    begun = time.perf_counter()
    workspace = await task.start()
    started = (time.perf_counter() - begun) * 1e3
    try:
        found = await of_calls(workspace, calls)
    finally:
        await task.close()
        await workspaces.close()
    return {"start": (started, 0.0), **found}


async def of_calls(workspace: Workspace, calls: int) -> dict[str, tuple[float, float]]:
    seen = await workspace.snapshot()

    async def look(_: int) -> None:
        nonlocal seen
        seen = await workspace.snapshot(seen)

    async def write_and_look(number: int) -> None:
        await workspace.call("write_file", {"path": "a.txt", "content": f"{number}\n"})
        await look(number)

    await workspace.call("read_file", {"path": "f0.txt"})
    return {
        "read_file": await timed(lambda _: workspace.call("read_file", {"path": "f0.txt"}), calls),
        "write_file": await timed(
            lambda n: workspace.call("write_file", {"path": "a.txt", "content": f"{n}\n"}), calls
        ),
        "bash true": await timed(lambda _: workspace.call("bash", {"command": "true"}), max(1, calls // 4)),
        "snapshot, nothing changed": await timed(look, calls),
        "write_file and snapshot": await timed(write_and_look, calls),
    }


def local(folder: Path, root: Path) -> LocalWorkspaces:
    choice = choose_sandbox("auto", os.environ.get("PATH"))
    rules = SandboxRules.of_run(
        choice, network=True, environ=os.environ, directories=[root], runs=folder / "runs", env_files=()
    )
    return LocalWorkspaces(
        "b", folder / "runs/tasks", dict(os.environ), rules, secret_names=(), redact=Redactor([])
    )


def clustered(folder: Path, root: Path, shared: bool) -> ClusterWorkspaces:
    inner = local(folder, root)
    connection = Connection("auto", os.environ, lambda text: print(text, file=sys.stderr))
    terms = ClusterTerms(
        mark=inner.mark,
        store=folder / "travel",
        walls=Walls("auto", True),
        shared=shared,
        cpus=1.0,
        max_wait=None,
        secret_names=(),
        hidden_files=(),
        programs=dict(os.environ),
        path=os.environ.get("PATH", ""),
    )
    return ClusterWorkspaces(inner, connection, terms, Redactor([]), *3 * [lambda *_: None])


def directories(files: int, calls: int) -> None:
    places: Mapping[str, Callable[[Path, Path], Workspaces]] = {
        "here": local,
        "cluster": lambda folder, root: clustered(folder, root, shared=False),
        "cluster, shared": lambda folder, root: clustered(folder, root, shared=True),
    }
    figures = {}
    for name, make in places.items():
        with tempfile.TemporaryDirectory() as base:
            root = Path(base, "work")
            for number in range(files):
                path = root / f"d{number // 100}/f{number}.txt" if number else root / "f0.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{number}\n" * 20)
            figures[name] = asyncio.run(
                measure(make(Path(base).resolve(), root.resolve()), root.resolve(), calls)
            )
    print(f"A directory of {files:,} files; ms of one: wall (CPU of the engine)")
    for what in figures["here"]:
        row = "   ".join(f"{name} {one[what][0]:8.2f} ({one[what][1]:6.2f})" for name, one in figures.items())
        print(f"  {what:<26} {row}")


def many(at_once: int) -> None:
    """Tasks at work at the same time: here, and on the cluster."""
    with server(LATENCY) as url:
        for name, flags in (("here", {}), ("cluster", {"cluster": "auto", "task_cpus": 1.0 / at_once})):
            figures = asyncio.run(batch(url, at_once, flags))
            ideal = (STEPS + EVALUATOR_CALLS) * LATENCY
            print(
                f"{name:<8} {at_once} in flight: {figures['completed']} completed, a task {figures['task']:.2f} s "
                f"(ideal {ideal:.1f}, efficiency {ideal / figures['task']:.2f}), whole run {figures['wall']:.1f} s, "
                f"CPU of the engine {figures['cpu'] * 1e3 / at_once:.0f} ms a task"
            )


async def batch(url: str, at_once: int, flags: Mapping[str, Any]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as base:
        entries = [{"dir": f"d{n}", "first_prompt": f"{stepped_prompt(STEPS)}{n}"} for n in range(at_once)]
        Path(base, "task.json").write_text(json.dumps({"tasks": entries}), encoding="utf-8")
        given = {
            "mode": "parallel",
            "parallel": at_once,
            "rest_ms": 0,
            "sandbox": "none",
            "tool_mode": "native",
            "coder_endpoint": url,
            "evaluation_base_url": url,
            "coder_model": "rehearsal-coder",
            "evaluation_model": "rehearsal-evaluator",
            **flags,
        }
        settings = load_settings(given, {"OPENAI_API_KEY": "benchmark"}, folder=Path(base))
        prepared = prepare(settings, folder=Path(base))
        begun: dict[str, float] = {}
        took: list[float] = []

        def note(event: e.Event, _: RunState) -> None:
            if isinstance(event, e.TaskStarted) or (
                isinstance(event, e.TaskPlaced) and event.place.startswith("node")
            ):
                begun[event.task_id] = event.ts
            elif isinstance(event, e.TaskFinished):
                took.append(event.ts - begun[event.task_id])

        wall, before = time.perf_counter(), cpu()
        outcome = await run_batch(prepared, listeners=[note])
        return {
            "completed": outcome.state.count("completed"),
            "task": statistics.mean(took),
            "wall": time.perf_counter() - wall,
            "cpu": cpu() - before,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=0)
    given = parser.parse_args()
    if given.calls:
        directories(given.files, given.calls)
    if given.at_once:
        many(given.at_once)


if __name__ == "__main__":
    main()
