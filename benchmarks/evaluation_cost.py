"""What evaluation costs: calls and tokens of each sample task, wall and CPU time of the sample batch; of two trees.

    python -m benchmarks.evaluation_cost [--beside PATH] [--repeat 3] [--serial] [--no-verify]

The ten sample tasks of task.json, played by the rehearsal model: the command in a process of its own, in a new folder.
`--beside`: another checkout (or its src), measured in the same sitting, in turn with this one, each with its own
task.json. Calls and tokens are those of the last run (the rehearsal server counts tokens by an estimate); of the
seconds the median is shown, with the range. `--no-verify` takes `verify` out of the tasks.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agentbatch.errors import UserError
from benchmarks.competence_contestants import EXCLUDED
from benchmarks.purposes import Spent, in_words, spent_by_purpose, total_of

HERE = Path(__file__).resolve().parents[1]


class Cost(NamedTuple):
    """Of one task."""

    status: str
    iterations: int
    spent: Mapping[str, Spent]
    """By what for."""


class Batch(NamedTuple):
    """One run of the sample batch."""

    seconds: float
    cpu: float
    """Seconds of the command and of all that it ran."""
    tasks: dict[str, Cost]


def run_batch(tree: Path, mode: str, *, verify: bool) -> Batch:
    """The sample batch of a checkout. Raises UserError when it has no results."""
    with tempfile.TemporaryDirectory(prefix="evaluation-cost-") as name:
        folder = Path(name)
        plan = json.loads((tree / "task.json").read_text(encoding="utf-8"))
        for task in plan["tasks"]:
            if not verify:
                task.pop("verify", None)
        (folder / "task.json").write_text(json.dumps(plan), encoding="utf-8")
        command = [sys.executable, "-m", "agentbatch", mode, "--rest-ms", "0", "--json"]
        command += ["--output", "results.json"]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(EXCLUDED)}
        home = {f"XDG_{key}_HOME": str(folder / "home") for key in ("CACHE", "CONFIG", "DATA", "STATE")}
        environment = {**kept, **home, "PYTHONPATH": str(tree / "src")}
        before, began = os.times(), time.monotonic()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        seconds, after = time.monotonic() - began, os.times()
        results = folder / "results.json"
        if not results.is_file():
            raise UserError(f"{tree} has no results: {(done.stderr or done.stdout).strip()[-300:]}")
        entries = json.loads(results.read_text(encoding="utf-8"))["results"]
        spent = spent_by_purpose(folder)
    costs = {
        entry["task"]["id"]: Cost(
            entry["result"]["status"], entry["result"]["iterations"], spent.get(entry["task"]["id"], {})
        )
        for entry in entries
    }
    cpu = sum(after[2:4]) - sum(before[2:4])
    return Batch(seconds, cpu, costs)


def table(batches: Mapping[str, Sequence[Batch]]) -> list[str]:
    """A row for each task and tree, and one for the whole batch."""
    row = "{:<22}{:<9}{:<12}{:>11}   {}"
    rows = [row.format("task", "tree", "status", "iterations", "tokens for")]
    names = list(dict.fromkeys(name for some in batches.values() for name in some[-1].tasks))
    for name in names:
        for tree, some in batches.items():
            if name in some[-1].tasks:
                cost = some[-1].tasks[name]
                rows.append(row.format(name, tree, cost.status, cost.iterations, in_words(cost.spent)))
    for tree, some in batches.items():
        costs = list(some[-1].tasks.values())
        completed = f"{sum(cost.status == 'completed' for cost in costs)} of {len(costs)}"
        iterations = sum(cost.iterations for cost in costs)
        total = in_words(total_of(cost.spent for cost in costs))
        rows.append(row.format("all", tree, completed, iterations, total))
    rows.append("")
    for tree, some in batches.items():
        wall, cpu = ([getattr(one, name) for one in some] for name in ("seconds", "cpu"))
        rows.append(f"{tree}: wall {spread(wall)}, CPU {spread(cpu)}, {len(some)} runs")
    return rows


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} s ({min(values):.2f} to {max(values):.2f})"


def checkout(path: Path) -> Path:
    """The checkout that is meant. Raises UserError when it is none."""
    tree = path.resolve().parent if path.resolve().name == "src" else path.resolve()
    if not (tree / "src" / "agentbatch").is_dir() or not (tree / "task.json").is_file():
        raise UserError(f"--beside: {path} is no checkout of agentbatch (src/agentbatch and task.json).")
    return tree


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluation_cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--beside", type=Path, metavar="PATH", help="another checkout, or its src")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs of each [3]")
    parser.add_argument("--serial", action="store_true", help="one task at a time [three]")
    parser.add_argument("--no-verify", action="store_true", help="without the tasks' verify")
    options = parser.parse_args()
    trees = {"here": HERE, **({"beside": checkout(options.beside)} if options.beside else {})}
    batches: dict[str, list[Batch]] = {name: [] for name in trees}
    mode = "--serial" if options.serial else "--parallel"
    for _ in range(options.repeat):
        for name, tree in trees.items():
            batches[name].append(run_batch(tree, mode, verify=not options.no_verify))
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} cores; {', '.join(map(str, trees.values()))}\n")
    print("\n".join(table(batches)))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"evaluation_cost: {error}", file=sys.stderr)
        sys.exit(2)
