"""`--daemon` as a user runs it: real processes, a real terminal that goes away, the rehearsal model."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.services.parent_watch import ENGINE_LOG, READY_FD
from tests.support import commands
from tests.support.engines import end_engines, held_project
from tests.support.keys import without_settings
from tests.support.slow_start import waiting_at_start
from tests.support.waiting import PATIENCE, wait_until


@dataclass
class Project:
    """A folder with a task that waits in its check for `let_go`."""

    folder: Path
    environ: dict[str, str]
    engines: list[int] = field(default_factory=list)

    command = (sys.executable, "-P", "-m", "agentbatch")

    def start(self, *words: str) -> "subprocess.CompletedProcess[str]":
        done = commands.run(*words, cwd=self.folder, env=self.environ)
        self.note(done.stdout)
        return done

    def start_with_pipes(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Returns when nobody holds the command's pipes any more."""
        done = subprocess.run(
            [*self.command, *words],
            cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        self.note(done.stdout)
        return done

    def note(self, output: str) -> None:
        self.engines += [int(number) for number in re.findall(r"\(process (\d+)\)", output)]

    @property
    def run(self) -> RunFolder:
        (path,) = (self.folder / ".agentbatch" / "runs").iterdir()
        return RunFolder(path)

    def let_go(self) -> None:
        """Let the task end, and the run with it."""
        wait_until((self.folder / "t" / "environment").exists)
        (self.folder / "t" / "go").touch()
        wait_until(lambda: not holder(self.run))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = held_project(tmp_path)
    project = Project(folder, without_settings(tmp_path / "home"))
    yield project
    end_engines(folder)


def test_it_returns_when_the_run_can_be_looked_at_and_lets_go_of_everything(project: Project) -> None:
    done = project.start_with_pipes("--daemon", "--sandbox", "none")
    (engine,) = project.engines
    run_id = project.run.run_id
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"Run {run_id} runs in the background (process {engine}).\n\n"
        f"  agentbatch status {run_id}\n  agentbatch logs -f {run_id}\n  agentbatch stop {run_id}\n"
    )
    assert holder(project.run).startswith(f"process {engine} on ")
    assert os.getsid(engine) == engine
    links = {n: os.readlink(f"/proc/{engine}/fd/{n}") for n in (0, 1, 2)}
    log = str(project.run.path / ENGINE_LOG)
    assert links == {0: "/dev/null", 1: log, 2: log}
    assert sorted(p.name for p in (project.folder / ".agentbatch").iterdir()) == [
        ".gitignore",
        "runs",
        "starting",
    ]
    project.let_go()
    assert (project.folder / "parallel_batch_results.json").is_file()
    assert not re.search(
        r"AGENTBATCH_(READY|DAEMON|DISPLAY)", (project.folder / "t" / "environment").read_text()
    )
    assert Path(log).read_text() == ""


def test_it_outlives_the_terminal(project: Project) -> None:
    """Its terminal is a real one, whose shell is hung up."""
    line = " ".join(project.command) + " --daemon --sandbox none > said; touch returned; exec sleep 1000"
    host = subprocess.Popen(
        [sys.executable, "-c", f"import pty; pty.spawn(['sh', '-c', {line!r}])"],
        cwd=project.folder, env=project.environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until((project.folder / "returned").exists)
    project.note((project.folder / "said").read_text())
    (engine,) = project.engines
    (shell,) = _children(host.pid)
    host.kill()
    host.wait()
    wait_until(lambda: not Path(f"/proc/{shell}").exists())  # hung up
    assert holder(project.run).startswith(f"process {engine} on ")
    project.let_go()
    results = json.loads((project.folder / "parallel_batch_results.json").read_text())
    assert results["run"]["interrupted"] is False


def _children(process: int) -> list[int]:
    text = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(number) for number in text.split()]


def test_what_ends_before_the_run_is_shown_with_its_exit_code_and_leaves_nothing(project: Project) -> None:
    done = project.start("--daemon", "-t", "none.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("agentbatch: There is no task file")
    plan = project.start("--daemon", "--dry-run")
    assert (plan.returncode, plan.stderr) == (0, "")
    assert "t" in plan.stdout.split()
    assert not (project.folder / ".agentbatch").exists()


def test_the_variable_starts_one_background_process_not_a_chain(project: Project) -> None:
    (project.folder / ".env").write_text("AGENTBATCH_DAEMON=1\nAGENTBATCH_DISPLAY=plain\n")
    done = project.start("--sandbox", "none", "--serial")
    assert done.returncode == 0
    assert len(project.engines) == 1
    project.let_go()
    assert (project.run.path / ENGINE_LOG).read_text() == ""


@pytest.mark.slow
def test_modules_that_lie_in_the_folder_are_not_imported(project: Project) -> None:
    (project.folder / "json.py").write_text("raise SystemExit('taken over')")
    assert project.start_with_pipes("--daemon", "--sandbox", "none").returncode == 0
    project.let_go()


def test_ctrl_c_while_it_starts_ends_what_was_started(project: Project) -> None:
    waiting, environ = waiting_at_start(project.folder.parent, project.environ)
    starting = commands.start("--daemon", cwd=project.folder, env=environ)
    writers: list[int] = []
    wait_until(lambda: _opened(waiting, writers))  # it is reading, which lasts until we close our end
    (engine,) = _children(starting.pid)
    starting.send_signal(signal.SIGINT)
    assert starting.result().returncode == 130
    assert not Path(f"/proc/{engine}").exists()
    assert not (project.folder / ".agentbatch").exists()
    os.close(writers[0])


def _opened(pipe: Path, writers: list[int]) -> bool:
    """Whether somebody reads from the pipe; our end of it is put into `writers` then."""
    try:
        writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


TELLING = """
import os, sys, warnings
from pathlib import Path
from agentbatch.runs.services.parent_watch import tell_ready
print("early")
tell_ready(Path(sys.argv[1]))
assert not any(name.startswith("AGENTBATCH_") for name in os.environ)
warnings.warn("a warning")
raise RuntimeError("a crash")
"""


def test_warnings_and_crashes_land_behind_what_earlier_sessions_left(tmp_path: Path) -> None:
    (tmp_path / ENGINE_LOG).write_text("earlier session\n")
    first = tmp_path / "daemon-1.log"
    ours, theirs = os.pipe()
    with first.open("wb") as sink:
        done = subprocess.run(
            [sys.executable, "-W", "default", "-c", TELLING, str(tmp_path)],
            env={**os.environ, READY_FD: str(theirs), "AGENTBATCH_DAEMON_OUTPUT": str(first)},
            pass_fds=[theirs], stdout=sink, stderr=sink, check=False, timeout=PATIENCE,
        )  # fmt: skip
    os.close(theirs)
    with open(ours, "rb") as pipe:
        assert pipe.read() == os.fsencode(tmp_path)
    assert done.returncode == 1
    assert not first.exists()
    text = (tmp_path / ENGINE_LOG).read_text()
    assert text.startswith("earlier session\nearly\n")
    assert "UserWarning: a warning" in text
    assert "RuntimeError: a crash" in text


UNSTARTED = """
import os, sys
from pathlib import Path
from agentbatch.runs.services.parent_watch import READY_FD, tell_ready
for value in sys.argv[2:]:
    os.environ[READY_FD] = value
    tell_ready(Path(sys.argv[1]))
    os.write(2, f"still here: {value}\\n".encode())
"""


def test_without_a_starter_nothing_is_told_or_moved(tmp_path: Path) -> None:
    """Also when the variable holds what is no pipe: stderr must stay what it is."""
    values = ["", "x", "-1", "2", "77", "9" * 30]
    with (tmp_path / "err").open("wb") as err:
        subprocess.run(
            [sys.executable, "-c", UNSTARTED, str(tmp_path), *values],
            stderr=err, check=True, timeout=PATIENCE,
        )  # fmt: skip
    assert (tmp_path / "err").read_text().splitlines() == [f"still here: {value}" for value in values]
    assert not (tmp_path / ENGINE_LOG).exists()
