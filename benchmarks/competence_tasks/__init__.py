"""The tasks of benchmarks.competence, one TOML file each, and how a finished directory is checked.

A file has `name`, `file` (to be written), `prompt` (as a user would write it), `verify` (the user's own check, Python,
run in the task's directory), `hidden` (more checks, for the benchmark only), `solution` (proof that the task is
solvable) and `wrong` (programs with mistakes that small models make: proof that the hidden tests see them);
`python -m benchmarks.competence --check-tasks` runs these.
"""

import contextlib
import hashlib
import os
import resource
import secrets
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from agentbatch.workspace.sandbox.sandbox import Sandbox, SandboxChoice, build_sandbox

FOLDER = Path(__file__).parent
CHECK_SECONDS = 30.0
"""Wall clock of one check; a correct program needs less than one."""
MAX_BYTES = 16_000_000
"""Bytes of the largest file that a check may write, and that is copied for it."""
MAX_MEMORY = 2_000_000_000
"""Bytes of address space of a check."""


class Task(NamedTuple):
    number: int
    name: str
    file: str
    prompt: str
    verify: str
    hidden: str
    solution: str
    wrong: list[str]

    @property
    def verify_command(self) -> str:
        """One shell command without a separate file, so that no agent can edit it."""
        return f"python3 -c {shlex.quote(self.verify)}"

    @property
    def digest(self) -> str:
        """Depends on everything that affects a result: results of different digests must not be mixed."""
        text = "\0".join((self.prompt, self.verify, self.hidden))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_tasks() -> list[Task]:
    tasks = []
    for path in sorted(FOLDER.glob("*.toml")):
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        tasks.append(Task(number=int(path.name[:2]), **fields))
    return tasks


class Checker:
    """Runs model-written programs: on a copy, in the sandbox when there is one, without network, within limits."""

    def __init__(self, choice: SandboxChoice) -> None:
        self._choice = choice

    def check(self, source: str, files: Path) -> str:
        """Run `source` in a copy of the directory `files`. Empty: passed; otherwise the error's last line."""
        with tempfile.TemporaryDirectory(prefix="competence-check-") as scratch:
            root = Path(scratch, "work").resolve()
            shutil.copytree(files, root, ignore=_not_copied, symlinks=True)
            return self._run(source, root, Path(scratch, "output"))

    def _run(self, source: str, root: Path, output: Path) -> str:
        passed = secrets.token_hex(16)
        program = f"{source}\nprint()\nprint({passed!r})\n"
        env = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        sandbox = sandbox_for(self._choice, root, network=False)
        argv = [sys.executable, "-B", "-c", program]
        with output.open("wb") as out, sandbox.wrap(argv, env) as wrapped:
            process = subprocess.Popen(
                wrapped.argv,
                cwd=root,
                env=wrapped.env,
                pass_fds=wrapped.handles,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_limit,
            )
            try:
                process.wait(timeout=CHECK_SECONDS)
            except subprocess.TimeoutExpired:
                return f"it did not end within {CHECK_SECONDS:g} s"
            finally:
                kill_group(process)
        lines = output.read_bytes()[-4000:].decode(errors="replace").split("\n")
        printed = [line.strip() for line in lines if line.strip()]
        if process.returncode == 0 and printed[-1:] == [passed]:
            return ""
        return (
            printed[-1][:300]
            if printed
            else f"it ended with exit code {process.returncode} before its last line"
        )


def sandbox_for(
    choice: SandboxChoice, root: Path, *, network: bool, readable: Iterable[Path] = ()
) -> Sandbox:
    """The sandbox with `root` writable and this repository's tasks hidden."""
    return build_sandbox(
        choice,
        root=root,
        home=Path.home(),
        path_variable=os.environ.get("PATH", os.defpath),
        hidden_dirs=[FOLDER.resolve()] if choice.binary else [],
        hidden_files=[],
        readable=[Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), *readable],
        network=network or choice.binary is None,
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads its own session, and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(CHECK_SECONDS), int(CHECK_SECONDS)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BYTES, MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _not_copied(folder: str, names: list[str]) -> set[str]:
    """Files that a copy must not follow, wait for or be filled by."""
    kept = set()
    for name in names:
        found = Path(folder, name).lstat()
        if stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES):
            kept.add(name)
    return {*names} - kept | {"__pycache__", ".git"}


def check_tasks(tasks: Iterable[Task], checker: Checker) -> list[str]:
    """What is wrong with the tasks: a solution must pass both checks, an empty file neither, and no wrong program the
    hidden tests (whether `verify` sees its mistake is the user's luck)."""
    found = (_problem(checker, task, *check) for task in tasks for check in _expected(task))
    return [problem for problem in found if problem]


def _expected(task: Task) -> list[tuple[str, str, str, bool]]:
    """What each program is, its text, the check to run on it, and whether that passes."""
    return [
        *(("the solution", task.solution, kind, True) for kind in ("verify", "hidden")),
        *(("an empty file", "", kind, False) for kind in ("verify", "hidden")),
        *((f"wrong program {n}", text, "hidden", False) for n, text in enumerate(task.wrong, 1)),
    ]


def _problem(checker: Checker, task: Task, what: str, program: str, kind: str, passes: bool) -> str:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, task.file).write_text(program, encoding="utf-8")
        failed = checker.check(task.verify if kind == "verify" else task.hidden, Path(folder))
    if passes and failed:
        return f"{task.name}: {kind} fails on {what}: {failed}"
    return f"{task.name}: {kind} passes on {what}" if not passes and not failed else ""
