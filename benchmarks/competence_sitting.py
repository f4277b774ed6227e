"""One sitting of benchmarks.competence: every repetition, contestant and task in turn, on one server a repetition."""

import argparse
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agentbatch.errors import UserError
from agentbatch.workspace.sandbox.sandbox import choose_sandbox
from benchmarks.competence_agentbatch import Agentbatch, chosen_parts, settle_tool_mode
from benchmarks.competence_contestants import STEPS, Conditions, Contestant, Outcome, bare, mini
from benchmarks.competence_lines import COMPARABLE, Line, complete_lines, read_lines
from benchmarks.competence_server import serve
from benchmarks.competence_tasks import Checker, Task, load_tasks

NAMES = ("bare", "agentbatch", "unverified", "attempts", "mini")


def chosen_tasks(numbers: str | None) -> list[Task]:
    tasks = load_tasks()
    if numbers is None:
        return tasks
    wanted = {word.strip().lstrip("0") for word in numbers.split(",")}
    unknown = wanted - {str(task.number) for task in tasks}
    if unknown:
        raise UserError(f"--tasks: there is no task {sorted(unknown)[0]!r}; the tasks are 1 to {len(tasks)}.")
    return [task for task in tasks if str(task.number) in wanted]


def chosen_contestants(
    only: str, without: list[str] | None, mini_python: Path | None
) -> dict[str, Contestant]:
    """By name, in the order of `only`; agentbatch's once for each `without`, where there are any."""
    names = [name.strip() for name in only.split(",")]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UserError(f"--only: there is no contestant {unknown[0]!r}; they are {', '.join(NAMES)}.")
    chosen: dict[str, Contestant] = {}
    for name in names:
        if name == "bare":
            chosen[name] = bare
        elif name == "mini" and mini_python is None:
            print("mini is skipped: --mini-python is not set")
        elif name == "mini" and mini_python is not None:
            chosen[name] = _mini(mini_python)
        else:
            for parts in [chosen_parts(words) for words in without or ()] or [()]:
                full_name = "-".join((name, *parts))
                chosen[full_name] = Agentbatch(
                    verify=name == "agentbatch", without=parts, attempts=3 if name == "attempts" else 1
                )
    if not chosen:
        raise UserError("--only mini needs --mini-python.")
    return chosen


def _mini(given: Path) -> Contestant:
    python = Path(os.path.abspath(given))
    if not os.access(python, os.X_OK):
        raise UserError(f"--mini-python: {python} is not executable.")
    return lambda task, folder, conditions: mini(task, folder, conditions, python)


class Sitting:
    """What is to be measured, by the options of the command."""

    def __init__(self, options: argparse.Namespace, base: Path) -> None:
        """`base`: a folder for the contestants' directories. Raises UserError."""
        self._options = options
        self._tasks = chosen_tasks(options.tasks)
        self._chosen = chosen_contestants(options.only, options.without, options.mini_python)
        self._sandbox = choose_sandbox("auto")
        self._checker = Checker(self._sandbox)
        self._common: dict[str, Any] = {
            "run": time.strftime("%Y%m%d-%H%M%S"),
            "revision": revision(),
            "model": options.model.name,
            "bytes": options.model.stat().st_size,
            "sha256": sha256(options.model),
            "temperature": options.temperature,
            "context": options.context,
            "nice": options.server_nice,
            "step_limit": STEPS,
            "time_limit": options.seconds,
            "sandbox": self._sandbox.name,
        }
        self._tool_mode: str = options.tool_mode
        """Empty: it is not known yet."""
        self._out = options.resume or options.out
        self._lines = self._resumed() if options.resume and options.resume.exists() else []
        self._base = base / time.strftime("%Y%m%d-%H%M%S")

    def _resumed(self) -> list[Line]:
        """What an earlier sitting measured under the same conditions. Its torn last line is removed."""
        path: Path = self._options.resume
        path.write_text(complete_lines(path), encoding="utf-8")
        if not path.stat().st_size:
            return []
        lines = read_lines([path])
        for key in (*COMPARABLE, "time_limit", "step_limit"):
            before, now = lines[0].get(key), self._common[key]
            if before != now:
                raise UserError(f"{path} was measured with another {key}: {before}, and now it is {now}.")
        self._common["run"] = lines[0]["run"]  # a repetition may be of two sittings
        self._tool_mode = self._tool_mode or lines[0].get("tool_mode", "")
        return lines

    def measure(self) -> list[Line]:
        """One line per task, written at once; returns all, those of an earlier sitting first."""
        common, options = self._common, self._options
        print(
            f"{common['model']}, {common['bytes']:,} bytes, sha256 {common['sha256']}; {os.cpu_count()} cores"
        )
        if self._sandbox.warning:
            print(self._sandbox.warning)
        done = {(line["contestant"], line["repetition"], line["task"]) for line in self._lines}
        if done:
            print(f"{len(done)} results are there already")
        for repetition in range(1, options.repetitions + 1):
            left = {
                name: [task for task in self._tasks if (name, repetition, task.number) not in done]
                for name in self._chosen
            }
            if any(left.values()):
                for line in self._repetition(repetition, left):
                    self._lines.append(line)
                    self._write(line)
        return self._lines

    def _repetition(self, repetition: int, left: dict[str, list[Task]]) -> Iterator[Line]:
        options = self._options
        seed = None if options.seed is None else options.seed + repetition - 1
        home = self._base / str(repetition)
        home.mkdir(parents=True)
        with serve(options.model, options.context, options.server_nice, home / "server.log", seed) as server:
            conditions = Conditions(
                server, options.temperature, options.seconds, self._sandbox, home / "home"
            )
            if any(isinstance(self._chosen[name], Agentbatch) and tasks for name, tasks in left.items()):
                self._tool_mode = settle_tool_mode(self._tool_mode, home, conditions)
            common = {**self._common, "seed": seed, "tool_mode": self._tool_mode, "repetition": repetition}
            for name, tasks in left.items():
                for task in tasks:
                    folder = home / name / f"{task.number:02}-{task.name}"
                    (folder / "work").mkdir(parents=True)
                    outcome = self._chosen[name](task, folder, conditions)
                    line = checked(task, outcome, self._checker, folder / "work")
                    yield {**common, "contestant": name, **line}

    def _write(self, line: Line) -> None:
        print_line(line)
        if self._out:
            with self._out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")


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


def revision() -> str:
    """The commit that is measured, `-dirty` with changes; empty outside a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
