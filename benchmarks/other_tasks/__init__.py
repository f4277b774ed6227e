"""The tasks of benchmarks.checked_how, one TOML file each: small ones that are not Python.

A file has `name`, `kind` (for people), `prompt` (as a user would write it), `given` (files that are there before),
`run` (what a coder would run to see its work), `hidden` (shell commands that must exit with 0, for the benchmark
only), `solution` (files), `wrong` (files with a mistake, and which) and `checks` (as an able model would write them
from the prompt alone); `python -m benchmarks.checked_how --check-tasks` runs the hidden commands on all of these.
"""

import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.competence_tasks import Checker

FOLDER = Path(__file__).parent
NEEDED = {"JavaScript": "node", "SQL": "sqlite3", "Makefile": "make"}
"""By the kind of a task: the program without which it cannot be checked."""


class Work(NamedTuple):
    """What a scripted coder does: right, or with a mistake."""

    mistake: str
    """Empty: none."""
    files: Mapping[str, str]


class OtherTask(NamedTuple):
    number: int
    name: str
    kind: str
    prompt: str
    run: list[str]
    hidden: list[str]
    given: dict[str, str]
    checks: list[dict[str, str]]
    works: list[Work]
    """The solution, then the wrong ones."""

    @property
    def lacks(self) -> str:
        """The program that it needs and this machine has not; empty when it can be checked."""
        needed = NEEDED.get(self.kind, "sh")
        return "" if shutil.which(needed) else needed

    @property
    def hidden_check(self) -> str:
        """The hidden commands as a program for Checker, each on files as they were."""
        return PROGRAM.replace("COMMANDS", repr(self.hidden))


PROGRAM = """
import pathlib, shutil, subprocess, tempfile
for command in COMMANDS:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        root = pathlib.Path(folder, "work")
        shutil.copytree(".", root, ignore=shutil.ignore_patterns("tmp*"))
        done = subprocess.run(["sh", "-c", command], cwd=root, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip().split("\\n")[-1]
    assert done.returncode == 0, f"exit code {done.returncode} of: {command.split(chr(10))[0][:100]} {said[:200]}"
"""


def load_other_tasks() -> list[OtherTask]:
    tasks = []
    for path in sorted(FOLDER.glob("*.toml")):
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        right = Work("", fields.pop("solution"))
        works = [right, *(Work(**wrong) for wrong in fields.pop("wrong"))]
        tasks.append(OtherTask(**{"given": {}, **fields}, number=int(path.name[:2]), works=works))
    return tasks


def write_files(files: Mapping[str, str], folder: Path) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def check_other_tasks(tasks: Iterable[OtherTask], checker: Checker) -> list[str]:
    """What is wrong with the tasks: a solution must pass the hidden commands, nothing else may."""
    return [problem for task in tasks for problem in _problems(task, checker)]


def _problems(task: OtherTask, checker: Checker) -> Iterator[str]:
    for work in (Work("nothing is done", {}), *task.works):
        with tempfile.TemporaryDirectory() as folder:
            write_files({**task.given, **work.files}, Path(folder))
            failed = checker.check(task.hidden_check, Path(folder))
        if work.mistake and not failed:
            yield f"{task.name}: hidden commands pass although {work.mistake}"
        if not work.mistake and failed:
            yield f"{task.name}: hidden commands fail on the solution: {failed}"
