"""What the terminal app costs: its CPU and event loop delay on a busy run, and how much it slows the run down.

    python -m benchmarks.tui [--seconds 20] [--repeat 3] [--only app|loss]

The app runs in a terminal of 160x48 (a pty whose output is discarded). First it shows a run that another process writes
with the real store: 1,000 running tasks, of which 50 change 4 times a second: either any 50, or the visible ones. Then
the batch of `benchmarks.overhead` runs as a background engine, with and without the app, in turn. Figures are printed,
nothing is asserted.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from agentbatch.redaction import Redactor
from agentbatch.rehearsal.faults.benchmark import SHORT_PROMPT
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, create_run_folder
from agentbatch.runs.listing import open_run
from agentbatch.runs.services.background import start_background
from agentbatch.runs.store.store import Store
from agentbatch.usage import Usage
from benchmarks.overhead import server
from benchmarks.tui_terminal import COLUMNS, LINES, TIMEOUT, Delay, app_on

TASKS = 1_000

CHANGES = 50
"""Tasks that change at a time."""

EVERY = 0.25
"""Seconds between two sets of changes."""

SETTLE = 3.0
"""Seconds without measuring after the first screen, and after each change of kind."""


def change(store: Store, task_id: str, step: int) -> None:
    """Add one event to the task, which its line shows."""
    match step % 3:
        case 0:
            called = e.ToolCalled(
                task_id=task_id, call_id=f"c{step}", tool="bash", summary=f"pytest -q part {step}"
            )
            store.emit(called)
        case 1:
            store.emit(
                e.ToolFinished(task_id=task_id, call_id=f"c{step - 1}", tool="bash", ok=True, seconds=1.5)
            )
        case _:
            store.emit(
                e.ModelCallFinished(
                    task_id=task_id, role="coder", model="m-coder",
                    usage=Usage(input=4_000, cached=3_000, output=400, calls=1),
                    cost=0.012, cost_input=0.008, cost_output=0.004, latency=2.5, attempts=1,
                )
            )  # fmt: skip


def begin(base: Path) -> tuple[Store, list[str]]:
    """A run whose tasks are all running."""
    folder = create_run_folder(base, datetime.now())
    store = Store(folder, Redactor([]))
    store.emit(
        e.RunStarted(
            run_id=folder.run_id, version="0", mode="parallel", max_concurrent=TASKS, total_tasks=TASKS,
            coder_model="m-coder", evaluator_model="m-judge",
            coder_endpoint="https://models.example.com/v1", evaluator_endpoint="https://models.example.com/v1",
            task_file=str(base / "task.json"),
        )
    )  # fmt: skip
    ids = [f"quarter-{n:04}" for n in range(TASKS)]
    for index, task_id in enumerate(ids):
        queued = e.TaskQueued(
            task_id=task_id, index=index, dir=task_id, first_prompt="Write the report.", max_iterations=10
        )
        store.emit(queued)
    for task_id in ids:
        store.emit(e.TaskStarted(task_id=task_id))
        store.emit(e.IterationStarted(task_id=task_id, iteration=1, prompt="Write the report."))
    store.flush()
    return store, ids


async def write(base: Path, seconds: float) -> None:
    """The writer's process: prints the run's folder, waits for a line, and prints when each kind of changes counts."""
    store, ids = begin(base)
    print(store.folder.path, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    chance = random.Random(1)
    kinds: dict[str, Callable[[], list[str]]] = {
        "nothing changes": list,
        "any 50 change": lambda: chance.sample(ids, CHANGES),
        "50 in sight change": lambda: ids[:CHANGES],
    }
    step = dict.fromkeys(ids, 0)
    for name, chosen in kinds.items():
        begun = time.monotonic()
        announced = False
        for look in range(int((SETTLE + seconds) / EVERY)):
            if not announced and look * EVERY >= SETTLE:
                print(f"from {name}", flush=True)
                announced = True
            for task_id in chosen():
                change(store, task_id, step[task_id])
                step[task_id] += 1
            store.flush()
            await asyncio.sleep(max(0.0, begun + (look + 1) * EVERY - time.monotonic()))
        print(f"to {name}", flush=True)
    await store.close()


class Mark(NamedTuple):
    """The app at a moment."""

    name: str
    at: float
    cpu: float
    """Seconds so far."""
    bytes: int
    """Written to the terminal so far."""


def busy_run(base: Path, seconds: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.tui", "--seconds", str(seconds), "--write", str(base)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if writer.stdin is None or writer.stdout is None:
        raise RuntimeError("the writer has no pipes")
    delays = base / "delays.json"
    marks: list[Mark] = []
    try:
        folder = RunFolder(Path(writer.stdout.readline().strip()))
        with app_on(folder, "quarter-0000", delays) as terminal:
            terminal.wait_until_drawn()
            time.sleep(SETTLE)
            writer.stdin.write("\n")
            writer.stdin.flush()
            for line in writer.stdout:
                marks.append(Mark(line.strip(), time.monotonic(), terminal.cpu(), terminal.bytes))
    finally:
        writer.kill()
        writer.wait()
    probed = [Delay(*values) for values in json.loads(delays.read_text())]
    print(f"the run screen over {TASKS:,} tasks, {CHANGES} changes every {EVERY:g} s, {COLUMNS}x{LINES}")
    print(
        f"  {'':<20} {'CPU of a core':>13} {'delay p50':>11} {'p95':>9} {'max':>9} {'own p95':>9} {'output':>11}"
    )
    for begun, ended in zip(marks[::2], marks[1::2], strict=True):
        _print_figures(begun, ended, [delay for delay in probed if begun.at <= delay.at <= ended.at])


def _print_figures(begun: Mark, ended: Mark, delays: Sequence[Delay]) -> None:
    """Print the app's figures between two marks."""
    lasted = ended.at - begun.at
    late = [1e3 * delay.seconds for delay in delays]
    print(
        f"  {begun.name.removeprefix('from '):<20} {(ended.cpu - begun.cpu) / lasted:>13.1%}"
        f" {percentile(late, 0.5):>8.1f} ms {percentile(late, 0.95):>6.1f} ms {max(late):>6.1f} ms"
        f" {percentile([1e3 * delay.own for delay in delays], 0.95):>6.1f} ms"
        f" {(ended.bytes - begun.bytes) / lasted / 1e3:>6.1f} kB/s"
    )


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[int(part * len(values))]


def batch(url: str, tasks: int, at_once: int, *, watched: bool) -> float:
    """Seconds of a batch in a background engine, from its first event to its last."""
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        entries = [
            {"id": f"t{n}", "dir": f"d{n}", "first_prompt": f"{SHORT_PROMPT}{n}"} for n in range(tasks)
        ]
        (base / "task.json").write_text(json.dumps({"tasks": entries}), encoding="utf-8")
        words = [
            "--parallel", str(at_once), "--rest-ms", "0", "--sandbox", "none", "--tool-mode", "native",
            "--coder-endpoint", url, "--evaluator-endpoint", url,
            "--coder-model", "rehearsal-coder", "--evaluator-model", "rehearsal-evaluator",
        ]  # fmt: skip
        engine = start_background(words, base, {**os.environ, "OPENAI_API_KEY": "benchmark"}, lifeline=False)
        folder = RunFolder(engine.run_folder)
        try:
            if watched:
                with app_on(folder, "t0", base / "delays.json") as terminal:
                    terminal.wait_until_drawn()
                    engine.process.wait(20 * TIMEOUT)
            else:
                engine.process.wait(20 * TIMEOUT)
        finally:
            if engine.ended() is None:
                engine.process.kill()
                engine.process.wait()
        run = open_run(folder)
    if run.state.count("completed") != tasks:
        raise RuntimeError(f"{run.state.count('completed')} of {tasks} tasks were completed")
    return run.last - run.begun


def loss(tasks: int, at_once: int, latency: float, repeat: int) -> None:
    alone, watched = [], []
    with server(latency) as url:
        for _ in range(repeat):
            alone.append(batch(url, tasks, at_once, watched=False))
            watched.append(batch(url, tasks, at_once, watched=True))
    print(
        f"{tasks} tasks x 3 calls of {latency:g} s, {at_once} at once, in a background engine, {repeat} in turn"
    )
    for name, walls in (("without the app", alone), ("with the app", watched)):
        print(f"  {name:<17} {', '.join(f'{wall:.2f}' for wall in walls)} s")
    print(f"  lost, by medians  {statistics.median(watched) / statistics.median(alone) - 1:+.1%}")
    print(f"  lost, by the best {min(watched) / min(alone) - 1:+.1%} (other load only ever adds)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each kind of changes")
    parser.add_argument("--tasks", type=int, default=400, help="of the batch that is watched")
    parser.add_argument("--at-once", type=int, default=100)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds a model call takes")
    parser.add_argument("--repeat", type=int, default=3, help="batches with the app, and without it")
    parser.add_argument("--only", choices=("app", "loss"))
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        asyncio.run(write(options.write, options.seconds))
        return
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    if options.only != "loss":
        with tempfile.TemporaryDirectory() as place:
            busy_run(Path(place), options.seconds)
        print()
    if options.only != "app":
        loss(options.tasks, options.at_once, options.latency, options.repeat)


if __name__ == "__main__":
    main()
