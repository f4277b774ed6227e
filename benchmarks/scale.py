"""One engine and thousands of tasks at once, in places that only answer: what the loop, the store and the bill take.

    python -m benchmarks.scale [--tasks 10000] [--at-once 2000] [--latency 10] [--calls 5] [--answer 0.05]

The workspaces are those of a cluster as the engine sees it: each request takes `--answer` seconds and no work of this
machine. Model calls are real ones, over loopback, to a rehearsal server in another process that takes `--latency` for
each. Printed: the wall time against the ideal, CPU a call, memory by the task, events a second, and how long `status`
takes in the middle of the run and after it. Nothing is asserted.
"""

import argparse
import asyncio
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agentbatch.api import run_batch
from agentbatch.config import load_settings
from agentbatch.errors import UserError
from agentbatch.rehearsal.faults.benchmark import stepped_prompt
from agentbatch.tasks.run.prepare.prepare import prepare
from agentbatch.workspace.workspace import (
    Checkpoint,
    CommandResult,
    Ending,
    FileEntry,
    Order,
    Process,
    Program,
    Protected,
    RecalledSetup,
    Snapshot,
    ToolResult,
    WorkLeft,
    Workspace,
    WorkspaceInfo,
)
from benchmarks.overhead import EVALUATOR_CALLS, rehearsal


class FarWorkspace:
    """See `Workspace` for the protocol: files in a mapping, an answer after a while."""

    def __init__(self, order: Order, answer: float, files: Mapping[str, FileEntry] | None = None) -> None:
        self._order = order
        self._answer = answer
        self._files = dict(files or {})

    @property
    def info(self) -> WorkspaceInfo:
        return WorkspaceInfo(
            self._order.directory, "Linux x86_64", "bubblewrap", network=True, place="node far away"
        )

    async def call(self, tool: str, arguments: str | Mapping[str, object]) -> ToolResult:
        await asyncio.sleep(self._answer)
        given = json.loads(arguments) if isinstance(arguments, str) else arguments
        if tool != "write_file":
            return ToolResult("There is no such tool here.", ok=False, invalid=True)
        content = str(given["content"])
        digest = hashlib.sha256(content.encode()).hexdigest()
        self._files[str(given["path"])] = FileEntry(digest, len(content), content, executable=False)
        return ToolResult(f"Wrote {len(content)} characters.", changed=True)

    async def run(self, command: str, timeout: float) -> CommandResult:
        await asyncio.sleep(self._answer)
        return CommandResult(
            0, "", timed_out=False, flooded=False, seconds=min(self._answer, timeout), spilled=""
        )

    async def open(self, program: Program) -> Process:
        raise UserError(f"{program.argv[0]} is not here.")

    async def snapshot(self, since: Snapshot | None = None) -> Snapshot:
        await asyncio.sleep(self._answer)
        return Snapshot(dict(sorted(self._files.items())))

    async def protect(self, patterns: Sequence[str]) -> Protected:
        await asyncio.sleep(self._answer)
        return Protected(tuple(patterns), {})

    async def restore(self, protected: Protected) -> list[str]:
        await asyncio.sleep(self._answer)
        return []

    async def checkpoint(self) -> Checkpoint:
        await asyncio.sleep(self._answer)
        return Checkpoint("here")

    async def restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        await asyncio.sleep(self._answer)

    async def fork(self) -> Workspace:
        await asyncio.sleep(self._answer)
        return FarWorkspace(self._order, self._answer, self._files)

    async def close(self) -> tuple[str, ...]:
        return ()


class FarTaskWorkspace:
    """See `TaskWorkspace` for the protocol."""

    def __init__(self, order: Order, answer: float) -> None:
        self._order = order
        self._answer = answer

    async def start(self) -> Workspace:
        await asyncio.sleep(self._answer)
        return FarWorkspace(self._order, self._answer)

    async def recall_setup(self) -> RecalledSetup:
        return RecalledSetup()

    async def keep_setup(self) -> str:
        return ""

    async def leave(self, ending: Ending) -> WorkLeft:
        await asyncio.sleep(self._answer)
        return WorkLeft()

    async def close(self) -> tuple[str, ...]:
        return ()


class FarWorkspaces:
    """See `Workspaces` for the protocol."""

    def __init__(self, answer: float) -> None:
        self._answer = answer

    def make(self, order: Order) -> FarTaskWorkspace:
        return FarTaskWorkspace(order, self._answer)

    async def remove_leftovers(self, ended: Sequence[str]) -> None:
        pass

    async def close(self) -> None:
        pass


def inside(folder: Path, url: str, at_once: int, answer: float) -> dict[str, Any]:
    """The measured process: one batch, from the start of its preparation to the written results."""
    flags = {
        "parallel": at_once,
        "rest_ms": 0,
        "sandbox": "none",
        "tool_mode": "native",
        "coder_endpoint": url,
        "evaluation_base_url": url,
        "coder_model": "rehearsal-coder",
        "evaluation_model": "rehearsal-evaluator",
    }
    begun, cpu = time.perf_counter(), time.process_time()
    prepared = prepare(load_settings(flags, {"OPENAI_API_KEY": "benchmark"}, folder=folder), folder=folder)
    ready = time.perf_counter()
    outcome = asyncio.run(run_batch(prepared, open_workspaces=lambda *_: FarWorkspaces(answer)))
    state = outcome.state
    return {
        "completed": state.count("completed"),
        "ready": ready - begun,
        "wall": time.perf_counter() - begun,
        "cpu": time.process_time() - cpu,
        "calls": state.usage.calls,
        "events": state.last_seq,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def status(folder: str) -> float:
    """Seconds of `agentbatch status` in the folder, its start included."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "agentbatch", "status"], cwd=folder, stdout=subprocess.DEVNULL, check=False
    )
    return time.perf_counter() - begun


def scale(tasks: int, at_once: int, latency: float, calls: int, answer: float) -> None:
    with tempfile.TemporaryDirectory() as folder, rehearsal("--benchmark", "--latency", str(latency)) as url:
        prompt = stepped_prompt(calls - EVALUATOR_CALLS)
        entries = [{"dir": f"d{n}", "first_prompt": f"{prompt}{n}"} for n in range(tasks)]
        Path(folder, "task.json").write_text(json.dumps({"tasks": entries}), encoding="utf-8")
        words = ["--inside", folder, url, str(at_once), str(answer)]
        command = [sys.executable, "-m", "benchmarks.scale", *words]
        engine = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ideal = tasks / at_once * calls * latency
        time.sleep(min(ideal / 2, 120))
        middle = [status(folder) for _ in range(3) if engine.poll() is None]
        output, _ = engine.communicate()
        if engine.returncode:
            raise SystemExit(f"The engine ended with {engine.returncode}.")
        got = json.loads(output)
        after = sorted(status(folder) for _ in range(3))[1]
        disk = sum(
            place.stat().st_size for place in Path(folder, ".agentbatch").rglob("*") if place.is_file()
        )
    print(
        f"{tasks:,} tasks x {calls} calls of {latency:g} s, {at_once:,} at once, a place answers in {answer:g} s"
    )
    print(f"  completed           {got['completed']:,} of {tasks:,}")
    print(f"  before the run      {got['ready']:.1f} s (reading, planning)")
    print(
        f"  wall time           {got['wall']:.1f} s, ideal {ideal:.1f} s: {ideal / got['wall']:.0%} of ideal"
    )
    print(f"  CPU a model call    {1000 * got['cpu'] / got['calls']:.2f} ms ({got['calls']:,} calls)")
    print(f"  of one core         {got['cpu'] / got['wall']:.0%}")
    print(f"  events              {got['events']:,}, {got['events'] / got['wall']:,.0f}/s")
    print(
        f"  peak memory         {got['peak_mb']:,.0f} MB, {1024 * got['peak_mb'] / at_once:,.0f} kB a task at once"
    )
    print(f"  disk                {disk / 1e6:,.0f} MB, {disk / tasks / 1e3:,.1f} kB a task")
    if middle:
        print(f"  status meanwhile    {sorted(middle)[len(middle) // 2]:.2f} s")
    print(f"  status afterwards   {after:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=2_000)
    parser.add_argument("--latency", type=float, default=10.0, help="seconds a model call takes")
    parser.add_argument("--calls", type=int, default=5, help="model calls a task [5]")
    parser.add_argument("--answer", type=float, default=0.05, help="seconds that a place takes to answer")
    parser.add_argument("--inside", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        folder, url, at_once, answer = options.inside
        print(json.dumps(inside(Path(folder), url, int(at_once), float(answer))))
        return
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    scale(options.tasks, options.at_once, options.latency, options.calls, options.answer)


if __name__ == "__main__":
    main()
