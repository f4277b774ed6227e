"""How many small tasks a small model solves in agentbatch, compared with the bare model and mini-swe-agent.

    python -m benchmarks.competence --model FILE.gguf [--only bare,agentbatch,mini] [--tasks 1,5,7]
        [--repeat 3] [--mini-python VENV/bin/python] [--out results.jsonl] [--keep DIR]
    python -m benchmarks.competence --report results.jsonl ...
    python -m benchmarks.competence --check-tasks

Twelve small programming tasks (benchmarks/competence_tasks/), each one Python file to write, each with a user's
`verify` and with hidden tests. Hidden tests run after a contestant has ended, on a copy of its directory, in a
separate process with limits of time and memory; `solved` means that they pass. `verify` also runs there for every
contestant.

The contestants, on the same llama.cpp server, at the same temperature:

- bare: the prompt, and a request for one code block; the first block is the file. It does not get `verify`.
- agentbatch: the command itself, on a batch of one task with `verify`, the model in both roles; 15 coder steps
  per turn, 3 iterations, 240 s per task. Tasks with more than 15 steps over all turns are listed.
- mini: mini-swe-agent, from its own environment (`pip install mini-swe-agent`), with its text-based
  configuration, 15 steps and 240 s per task. Like bare it does not get `verify`. Its commands run in our sandbox,
  if there is one.

One task at a time. Every repetition of a contestant gets a fresh server, so that each starts with empty caches. A
reply has at most 2,048 tokens. Tokens are those of the server's usage, without calls that a time limit cut off.
Seconds are wall clock, including the start of the program.
"""

import argparse
import contextlib
import hashlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TextIO

from agentbatch.errors import UserError
from agentbatch.workspace.sandbox.sandbox import choose_sandbox
from benchmarks import competence_contestants as contestants
from benchmarks.competence_contestants import STEPS, Conditions, Outcome
from benchmarks.competence_report import Line, read_lines, report
from benchmarks.competence_server import serve
from benchmarks.competence_tasks import Checker, Task, check_tasks, load_tasks

NAMES = ("bare", "agentbatch", "mini")
Contestant = Callable[[Task, Path, Conditions], Outcome]


def chosen_tasks(numbers: str | None) -> list[Task]:
    tasks = load_tasks()
    if numbers is None:
        return tasks
    wanted = {word.strip() for word in numbers.split(",")}
    unknown = wanted - {str(task.number) for task in tasks}
    if unknown:
        raise UserError(f"--tasks: there is no task {sorted(unknown)[0]!r}; the tasks are 1 to {len(tasks)}.")
    return [task for task in tasks if str(task.number) in wanted]


def chosen_contestants(only: str, mini_python: Path | None) -> dict[str, Contestant]:
    names = [name.strip() for name in only.split(",")]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UserError(f"--only: there is no contestant {unknown[0]!r}; they are {', '.join(NAMES)}.")
    available: dict[str, Contestant] = {"bare": contestants.bare, "agentbatch": contestants.agentbatch}
    if "mini" in names and mini_python is None:
        print("mini is skipped: --mini-python is not set")
    elif mini_python is not None:
        python = Path(os.path.abspath(mini_python))
        if not os.access(python, os.X_OK):
            raise UserError(f"--mini-python: {python} is not executable.")
        available["mini"] = lambda task, folder, conditions: contestants.mini(
            task, folder, conditions, python
        )
    chosen = {name: available[name] for name in names if name in available}
    if not chosen:
        raise UserError("--only mini needs --mini-python.")
    return chosen


def measure(options: argparse.Namespace, out: TextIO | None, base: Path) -> list[Line]:
    """Every repetition, contestant and task in turn; one line per task, written at once."""
    tasks, sandbox = chosen_tasks(options.tasks), choose_sandbox("auto")
    checker = Checker(sandbox)
    chosen = chosen_contestants(options.only, options.mini_python)
    run = time.strftime("%Y%m%d-%H%M%S")
    common = {
        "run": run,
        "model": options.model.name,
        "bytes": options.model.stat().st_size,
        "sha256": sha256(options.model),
        "temperature": options.temperature,
        "context": options.context,
        "nice": options.server_nice,
        "step_limit": STEPS,
        "sandbox": sandbox.name,
    }
    print(f"{common['model']}, {common['bytes']:,} bytes, sha256 {common['sha256']}; {os.cpu_count()} cores")
    if sandbox.warning:
        print(sandbox.warning)
    lines: list[Line] = []
    for repetition in range(1, options.repeat + 1):
        for name, contestant in chosen.items():
            home = base / run / f"{name}-{repetition}"
            home.mkdir(parents=True)
            with serve(options.model, options.context, options.server_nice, home / "server.log") as server:
                conditions = Conditions(server, options.temperature, sandbox, home / "home")
                for task in tasks:
                    folder = home / f"{task.number:02}-{task.name}"
                    (folder / "work").mkdir(parents=True)
                    outcome = contestant(task, folder, conditions)
                    line = checked(task, outcome, checker, folder / "work")
                    lines.append({**common, "contestant": name, "repetition": repetition, **line})
                    print_line(lines[-1])
                    if out:
                        out.write(json.dumps(lines[-1]) + "\n")
                        out.flush()
    return lines


def checked(task: Task, outcome: Outcome, checker: Checker, work: Path) -> Line:
    """The line of a finished task: the contestant's outcome, the results of `verify` and the hidden tests."""
    verify, hidden = checker.check(task.verify, work), checker.check(task.hidden, work)
    return {
        "task": task.number,
        "name": task.name,
        "digest": task.digest,
        "solved": not hidden,
        "verified": not verify,
        "hidden": hidden,
        "verify": verify,
        **outcome._asdict(),
        "seconds": round(outcome.seconds, 1),
    }


def print_line(line: Line) -> None:
    how = "solved" if line["solved"] else "not solved"
    reason = f" ({line['reason']})" if line["reason"] else ""
    print(
        f"{line['contestant']} {line['repetition']}  {line['task']:>2} {line['name']:<18}{how:<12}"
        f"{line['input']:>8,} in {line['output']:>6,} out {line['calls']:>3} calls {line['seconds']:>6.1f} s  "
        f"{line['status']}{reason}" + (f"; {line['hidden']}" if line["hidden"] else ""),
        flush=True,
    )


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def kept_folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="competence-") as folder:
        yield Path(folder).resolve()


def stop(*_: object) -> NoReturn:
    """SIGTERM ends the process like Ctrl-C: through the `finally`s that end its children."""
    raise KeyboardInterrupt


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.competence",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, metavar="FILE.gguf", help="the weights")
    parser.add_argument("--only", default=",".join(NAMES), help="contestants, comma-separated [all]")
    parser.add_argument("--tasks", help="numbers of tasks, comma-separated [all]")
    parser.add_argument("--repeat", type=int, default=1, help="repetitions [1]")
    parser.add_argument("--temperature", type=float, default=0.2, help="for every contestant [0.2]")
    parser.add_argument("--context", type=int, default=16384, help="tokens of the context window [16384]")
    parser.add_argument("--server-nice", type=int, default=0, metavar="N", help="priority of the server [0]")
    parser.add_argument("--mini-python", type=Path, metavar="PYTHON", help="python that has mini-swe-agent")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append a JSON line per task here")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep directories and transcripts here")
    parser.add_argument(
        "--report", type=Path, nargs="+", metavar="FILE", help="only print the tables of these"
    )
    parser.add_argument("--check-tasks", action="store_true", help="only check the tasks by their solutions")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    if options.report:
        print("\n".join(report(read_lines(options.report))))
        return 0
    if options.check_tasks:
        problems = check_tasks(chosen_tasks(options.tasks), Checker(choose_sandbox("auto")))
        print("\n".join(problems) or "every solution passes its checks, no empty file does")
        return 1 if problems else 0
    if options.model is None or not options.model.is_file():
        raise UserError(f"--model: there is no file {options.model}; name a model's weights (.gguf).")
    out = options.out.open("a", encoding="utf-8") if options.out else None
    with out or contextlib.nullcontext(), kept_folder(options.keep) as base:
        lines = measure(options, out, base)
    print()
    print("\n".join(report(lines)))
    return 0


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(run(parse(sys.argv[1:])))
    except UserError as error:
        print(f"competence: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
