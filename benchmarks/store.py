"""What a long run's store costs: writing events early and late, `agentbatch status` of a finished run, and resuming it.

    python -m benchmarks.store [--tasks 10000] [--repeat 5]

A finished run is created with the real store and events of plausible sizes: 3 model calls, 2 tools, a check and a
verdict per task. Figures are printed, nothing is asserted.
"""

import argparse
import asyncio
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from agentbatch.files import write_atomic
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder, create_run_folder
from agentbatch.runs.listing import find_run
from agentbatch.runs.store.store import Store
from agentbatch.tasks.results.transcript import TRANSCRIPT
from agentbatch.usage import Usage

FAILED_EVERY = 20
"""One of this many tasks ends with an error."""

PROMPT = "Write a program that reads the sales of a quarter and prints a report by region and month. " * 6
SUMMARY = "The report is printed by report.py; the tests in test_report.py cover empty and odd lines. " * 4
CODE = (
    "def total(rows: list[dict[str, str]]) -> float:\n    return sum(float(row['sum']) for row in rows)\n"
    * 12
)
OUTPUT = "test_report.py::test_region PASSED [ 50%]\n" * 12
REQUIREMENT = {
    "text": "report.py prints a line a region, sorted by its sum, with two digits after the point",
    "met": True,
    "evidence": "report.py lines 12 to 31; `python report.py sales.csv` printed 4 regions in this order",
}
VERDICT: dict[str, Any] = {
    "requirements": [REQUIREMENT] * 5,
    "missing": [],
    "complete": True,
    "blocked": False,
    "score": 0.95,
    "follow_up_prompt": "",
}
CALLS = ("write_file", "bash")


def task_events(task_id: str, *, fails: bool) -> Iterator[e.Event | None]:
    """One task's events. None where the coder flushes: before each model call."""
    yield e.TaskStarted(task_id=task_id)
    yield e.IterationStarted(task_id=task_id, iteration=1, prompt=PROMPT)
    yield _message(task_id, 0, {"role": "system", "content": PROMPT * 3})
    yield _message(task_id, 1, {"role": "user", "content": PROMPT})
    for step, tool in enumerate(CALLS):
        yield e.ModelCallStarted(task_id=task_id, role="coder", model="m-coder")
        yield None
        yield e.ModelCallSent(task_id=task_id, role="coder", attempt=1)
        yield _call(task_id, "coder")
        call_id = f"call-{step}"
        arguments = {"id": call_id, "type": "function", "function": {"name": tool, "arguments": CODE}}
        yield _message(task_id, 2 + 2 * step, {"role": "assistant", "content": "", "tool_calls": [arguments]})
        yield e.ToolCalled(task_id=task_id, call_id=call_id, tool=tool, summary="python -m pytest -q")
        ran = {"command": "python -m pytest -q", "exit_code": 0, "tail": OUTPUT, "seconds": 1.5}
        yield e.ToolFinished(
            task_id=task_id, call_id=call_id, tool=tool, ok=True, seconds=1.5, changed=True, command=ran
        )
        yield _message(task_id, 3 + 2 * step, {"role": "tool", "tool_call_id": call_id, "content": OUTPUT})
    yield e.TurnFinished(task_id=task_id, iteration=1, end="finish", text=SUMMARY)
    check = "python -m pytest -q"
    yield e.CheckStarted(task_id=task_id, command=check)
    yield e.CheckFinished(task_id=task_id, command=check, exit_code=0, tail=OUTPUT, seconds=1.5)
    yield e.ModelCallStarted(task_id=task_id, role="evaluator", model="m-judge", purpose="judge")
    yield None
    yield e.ModelCallSent(task_id=task_id, role="evaluator", attempt=1)
    yield _call(task_id, "evaluator")
    yield e.VerdictReached(
        task_id=task_id,
        iteration=1,
        accepted=not fails,
        verdict=VERDICT,
        decision="done",
        evaluated={"files": {f"report-{n}.py": "9f" * 32 for n in range(6)}},
    )
    yield e.TaskFinished(
        task_id=task_id,
        status="error" if fails else "completed",
        reason="blocked" if fails else "accepted",
        error="The file sales.csv is missing, and nothing here can make it." if fails else "",
        last_response=SUMMARY,
        last_evaluation=SUMMARY,
        changed_files=3,
    )


def _message(task_id: str, index: int, message: dict[str, Any]) -> e.MessageAdded:
    return e.MessageAdded(task_id=task_id, index=index, message=message)


def _call(task_id: str, role: e.Role) -> e.ModelCallFinished:
    return e.ModelCallFinished(
        task_id=task_id,
        role=role,
        model=f"m-{role}",
        purpose="judge" if role == "evaluator" else "code",
        usage=Usage(input=4_000, cached=3_000, output=400, calls=1),
        cost=0.012,
        cost_input=0.008,
        cost_output=0.004,
        latency=2.5,
        attempts=1,
        finish_reason="stop",
    )


async def build(base: Path, tasks: int) -> tuple[RunFolder, list[float]]:
    """A finished run below `base`, and the CPU seconds per event in each tenth of its tasks."""
    folder = create_run_folder(base, datetime.now())
    store = Store(folder, Redactor(["sk-benchmark-0123456789"]))
    store.emit(
        e.RunStarted(
            run_id=folder.run_id,
            version="0",
            mode="parallel",
            max_concurrent=100,
            total_tasks=tasks,
            coder_model="m-coder",
            evaluator_model="m-judge",
            coder_endpoint="https://models.example.com/v1",
            evaluator_endpoint="https://models.example.com/v1",
            task_file=str((base / "task.json").resolve()),
        )
    )
    ids = [f"quarter-{n:05}" for n in range(tasks)]
    for index, task_id in enumerate(ids):
        queued = e.TaskQueued(
            task_id=task_id, index=index, dir=f"work/{task_id}", first_prompt=PROMPT, max_iterations=10
        )
        store.emit(queued)
    store.flush()
    costs = []
    for tenth in range(10):
        begun, first = time.process_time(), store.state.last_seq
        for index in range(tasks * tenth // 10, tasks * (tenth + 1) // 10):
            for event in task_events(ids[index], fails=index % FAILED_EVERY == 7):
                if event is None:
                    store.flush()
                else:
                    store.emit(event)
            await asyncio.sleep(0)
        store.flush()
        costs.append((time.process_time() - begun) / max(1, store.state.last_seq - first))
    store.emit(e.RunFinished())
    await store.close()
    for task_id in ids:  # as its engine has left them: a resumption writes those that a kill came before
        write_atomic(folder.task(task_id) / TRANSCRIPT, "{}")
    return folder, costs


class Cost(NamedTuple):
    """Of one process: seconds, and MB."""

    wall: float
    cpu: float
    peak_mb: float


def process_cost(command: Sequence[str], cwd: Path) -> Cost:
    """Run a command that must succeed, without its output."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def median_cost(command: Sequence[str], cwd: Path, repeat: int) -> Cost:
    costs = [process_cost(command, cwd) for _ in range(repeat)]
    return Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))


BARE_READ = (
    "import sqlite3, sys; len(sqlite3.connect(sys.argv[1]).execute('SELECT body FROM tasks').fetchall())"
)
"""The minimum for reading all tasks: the same rows, neither parsed nor shown."""


def looking(base: Path, folder: RunFolder, tasks: int, repeat: int) -> None:
    status = [sys.executable, "-m", "agentbatch", "status"]
    rows = [
        ("status", median_cost(status, base, repeat)),
        ("status --json", median_cost([*status, "--json"], base, repeat)),
        (
            "agentbatch --version",
            median_cost([sys.executable, "-m", "agentbatch", "--version"], base, repeat),
        ),
        (
            "the rows alone",
            median_cost([sys.executable, "-c", BARE_READ, str(folder.database)], base, repeat),
        ),
    ]
    print(f"processes on a finished run of {tasks:,} tasks, median of {repeat}")
    for name, cost in rows:
        print(f"  {name:<21} {cost.wall:.2f} s, CPU {cost.cpu:.2f} s, peak {cost.peak_mb:.0f} MB")
    print(f"  status / rows alone   {rows[0][1].cpu / rows[3][1].cpu:.1f}x CPU")


def writing(folder: RunFolder, costs: Sequence[float], tasks: int) -> None:
    with closing(sqlite3.connect(folder.database)) as connection:
        (events,) = connection.execute("SELECT count(*) FROM events").fetchone()
    early, late = costs[0] * 1e6, costs[-1] * 1e6
    print(f"writing {events:,} events of {tasks:,} tasks")
    print(f"  CPU an event          first tenth {early:.0f} µs, last {late:.0f} µs: {late / early:.2f}x")
    print(f"  database              {folder.database.stat().st_size / 1e6:.0f} MB")
    print(f"  run.log               {folder.log.stat().st_size / 1e6:.0f} MB")


def until_first_call(command: Sequence[str], base: Path) -> float:
    """Seconds from the start of a process to its first connection to the model's endpoint; it is killed then."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(120)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        endpoint = {"CODER_ENDPOINT": url, "EVALUATION_BASE_URL": url, "OPENAI_API_KEY": "none"}
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=base, env={**os.environ, **endpoint}, stdout=subprocess.DEVNULL
        )
        try:
            server.accept()[0].close()
            return time.perf_counter() - begun
        finally:
            process.kill()
            process.wait()


def resuming(base: Path, tasks: int, repeat: int) -> None:
    entries = [
        {"id": f"quarter-{n:05}", "dir": f"work/quarter-{n:05}", "first_prompt": PROMPT} for n in range(tasks)
    ]
    (base / "task.json").write_text(json.dumps({"tasks": entries}))
    command = [sys.executable, "-m", "agentbatch", "resume", "--retry-failed", "--display", "none"]
    times = [until_first_call([*command, "--tool-mode", "native"], base) for _ in range(repeat)]
    shown = ", ".join(f"{seconds:.2f}" for seconds in sorted(times))
    print(f"resume --retry-failed of {tasks:,} tasks, {tasks // FAILED_EVERY:,} of them failed")
    print(f"  from its start to the first call  {statistics.median(times):.2f} s ({shown})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5, help="times to start each process")
    parser.add_argument("--build", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed command has its bytecode
    if options.build:
        _, costs = asyncio.run(build(options.build, options.tasks))
        print(json.dumps(costs))
        return
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores\n")
    with tempfile.TemporaryDirectory() as place:
        # In a separate process: a child counts its parent's memory as its own until it has started.
        command = [sys.executable, "-m", "benchmarks.store", "--tasks", str(options.tasks), "--build", place]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        folder = find_run(Path(place), None)
        writing(folder, json.loads(done.stdout), options.tasks)
        print()
        looking(Path(place), folder, options.tasks, options.repeat)
        print()
        resuming(Path(place), options.tasks, options.repeat)


if __name__ == "__main__":
    main()
