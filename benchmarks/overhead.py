"""agentbatch's own overhead: wall time against the ideal, CPU, memory, cached input tokens.

    python -m benchmarks.overhead [--tasks 200] [--at-once 100] [--latency 1.0] [--calls 4] [--repeat 1]

Each measurement runs in a separate process against a rehearsal server in another one; figures are printed, nothing is
asserted. Ideal wall time = tasks / at once x calls a task x latency. Wall and CPU count from the start of
the run to its written results; the time before that is printed as start-up.
"""

import argparse
import asyncio
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from agentbatch.api import run_batch
from agentbatch.config import load_settings
from agentbatch.rehearsal.faults.benchmark import (
    LONG_PROMPT,
    LONG_STEPS,
    MAX_STEPS,
    SHORT_PROMPT,
    stepped_prompt,
)
from agentbatch.runs import events as e
from agentbatch.runs.state.run_state import RunState
from agentbatch.tasks.run.prepare.prepare import prepare

EVALUATOR_CALLS = 2
"""Of a task: the checks that it writes beforehand, and its verdict."""


@contextlib.contextmanager
def rehearsal(*words: str) -> Iterator[str]:
    """A rehearsal server in its own process, with these words; gives its base URL."""
    command = [sys.executable, "-m", "agentbatch.rehearsal", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdout is None:
            raise RuntimeError("the server has no output")
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def server(latency: float) -> AbstractContextManager[str]:
    """One that plays the benchmark's scripts."""
    return rehearsal("--benchmark", "--latency", str(latency))


def measure(url: str, prompt: str, tasks: int, mode: str, at_once: int) -> dict[str, Any]:
    """Run a batch in a separate process; returns its figures."""
    with tempfile.TemporaryDirectory() as folder:
        entries = [{"dir": f"d{n}", "first_prompt": f"{prompt}{n}"} for n in range(tasks)]
        Path(folder, "task.json").write_text(json.dumps({"tasks": entries}), encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.overhead", "--inside", folder, url, mode, str(at_once)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def inside(folder: Path, url: str, mode: str, at_once: int) -> dict[str, Any]:
    """The measured process: one batch, from a prepared run to the written results."""
    flags = {
        "mode": mode,
        "parallel": at_once,
        "rest_ms": 0,
        "sandbox": "none",
        "tool_mode": "native",  # not asked for first, as of any endpoint in the cloud
        "coder_endpoint": url,
        "evaluation_base_url": url,
        "coder_model": "rehearsal-coder",
        "evaluation_model": "rehearsal-evaluator",
    }
    settings = load_settings(flags, {"OPENAI_API_KEY": "benchmark"}, folder=folder)
    prepared = prepare(settings, folder=folder)
    begun: list[float] = []

    def note_start(event: e.Event, _: RunState) -> None:
        if isinstance(event, e.RunStarted):
            begun.extend((time.perf_counter(), time.process_time()))

    called = time.perf_counter()
    outcome = asyncio.run(run_batch(prepared, listeners=[note_start]))
    wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
    state = outcome.state
    return {
        "completed": state.count("completed"),
        "wall": wall,
        "cpu": cpu,
        "start_up": begun[0] - called,
        "calls": state.usage.calls,
        "events": state.last_seq,
        "input": sum(b.usage.input for b in state.bills if b.role == "coder"),
        "cached": sum(b.usage.cached for b in state.bills if b.role == "coder"),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def overhead(tasks: int, at_once: int, latency: float, calls: int) -> None:
    with server(latency) as url:
        got = measure(url, stepped_prompt(calls - EVALUATOR_CALLS), tasks, "parallel", at_once)
    if got["calls"] != tasks * calls:
        raise SystemExit(f"{got['calls']} calls instead of {tasks * calls}: what is called ideal is wrong")
    ideal = tasks / at_once * calls * latency
    print(f"{tasks} tasks x {calls} calls, {latency:g} s each, {at_once} at once")
    print(f"  completed           {got['completed']} of {tasks}")
    print(f"  wall time           {got['wall']:.2f} s, ideal {ideal:.2f} s: {got['wall'] / ideal - 1:+.1%}")
    print(f"  ideal of all        {ideal / (got['start_up'] + got['wall']):.0%} with start-up")
    print(f"  start-up            {got['start_up']:.2f} s before that (imports, opening the endpoint)")
    print(f"  CPU a model call    {1000 * got['cpu'] / got['calls']:.2f} ms ({got['calls']} calls)")
    print(f"  events              {got['events']}, {got['events'] / got['wall']:.0f}/s")
    print(f"  peak memory         {got['peak_mb']:.0f} MB")


def speed_up(tasks: int = 12, latency: float = 0.3) -> None:
    with server(latency) as url:
        serial = measure(url, SHORT_PROMPT, tasks, "serial", 1)["wall"]
        parallel = measure(url, SHORT_PROMPT, tasks, "parallel", 3)["wall"]
    print(f"parallel 3 against serial, {tasks} tasks, no rest between starts")
    print(f"  {serial:.2f} s / {parallel:.2f} s = {serial / parallel:.2f}x (ideal 3x)")


def prefix_cache(tasks: int = 10) -> None:
    with server(0.0) as url:
        got = measure(url, LONG_PROMPT, tasks, "parallel", 2)
    print(f"input tokens that a prefix cache serves, {tasks} tasks of {LONG_STEPS} coder steps")
    print(f"  {got['cached']:,} of {got['input']:,}: {got['cached'] / got['input']:.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds a model call takes")
    parser.add_argument(
        "--calls", type=int, default=4, choices=range(3, MAX_STEPS + 3), help="model calls a task [4]"
    )
    parser.add_argument("--repeat", type=int, default=1, help="times to run the first measurement")
    parser.add_argument("--inside", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        folder, url, mode, at_once = options.inside
        print(json.dumps(inside(Path(folder), url, mode, int(at_once))))
        return
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    for _ in range(options.repeat):
        overhead(options.tasks, options.at_once, options.latency, options.calls)
        print()
    speed_up()
    print()
    prefix_cache()


if __name__ == "__main__":
    main()
