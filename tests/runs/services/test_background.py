"""Engines in processes of their own, started, left and lost: real processes, the rehearsal model."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agentbatch.runs.folder import RunFolder, holder
from agentbatch.runs.listing import list_runs, open_run
from agentbatch.runs.services.background import (
    Background,
    CalledOff,
    EndedEarly,
    Starting,
    in_the_background,
    interrupts_held,
    start_background,
)
from tests.support.engines import HELD, end_engines, held_project
from tests.support.keys import without_settings
from tests.support.slow_start import waiting_at_start
from tests.support.waiting import wait_until

WORDS = ("--parallel", "2", "--sandbox", "none")


@dataclass
class Project:
    """A folder with a task that waits in its check for `let_go`."""

    folder: Path
    environ: dict[str, str]
    started: list[Background] = field(default_factory=list)

    def start(self, *words: str, lifeline: bool = True) -> Background:
        background = start_background([*WORDS, *words], self.folder, self.environ, lifeline=lifeline)
        self.started.append(background)
        return background

    def let_go(self) -> None:
        (self.folder / "t" / "go").touch()

    def wait_for_the_check(self) -> None:
        wait_until((self.folder / "t" / "environment").exists)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    folder = held_project(tmp_path)
    project = Project(folder, without_settings(tmp_path / "home"))
    yield project
    end_engines(folder, project.started)


def test_it_hands_over_a_run_that_can_be_looked_at(project: Project) -> None:
    """And keeps its pipes from the commands of tasks; calling the start off too late leaves the run alone."""
    document = json.loads((project.folder / "task.json").read_text())
    document["tasks"][0]["verify"] = f"ls -l /proc/self/fd > files; {HELD}"
    (project.folder / "task.json").write_text(json.dumps(document))
    starting = Starting(WORDS, project.folder, project.environ, lifeline=True)
    background = starting.wait()
    project.started.append(background)
    assert background.run_folder.parent == project.folder / ".agentbatch" / "runs"
    assert open_run(RunFolder(background.run_folder)).process == background.process.pid
    assert background.log == background.run_folder / "engine.log"
    assert background.log.is_file()
    assert background.ended() is None
    engine_pipes = []
    for handle in Path(f"/proc/{background.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            engine_pipes.append(os.readlink(handle))
    starting.cancel()
    project.wait_for_the_check()
    lifeline = os.readlink(f"/proc/self/fd/{background._lifeline}")
    assert lifeline in engine_pipes
    assert lifeline not in (project.folder / "t" / "files").read_text()
    told = (project.folder / "t" / "environment").read_text()
    assert not re.search(r"AGENTBATCH_(READY|LIFELINE|DAEMON|DISPLAY)", told)
    project.let_go()
    wait_until(lambda: background.ended() == 0)
    assert "stopping:" not in RunFolder(background.run_folder).log.read_text().casefold()
    assert background.log.read_text() == ""


@pytest.mark.parametrize(
    ("words", "kept", "told"),
    [
        (["--daemon", "-p", "3"], ["-p", "3"], {}),
        (["--notify", "json://t1", "--daemon", "--notify=tgram://t2/x"], [], {"NOTIFY": "json://t1 tgram://t2/x"}),
        (["resume", "--notify", "a://b", "--", "--notify", "--daemon"], ["resume", "--", "--notify", "--daemon"],
         {"NOTIFY": "a://b"}),
        (["--header", "api-key=k", "--header=x-a=b"], [], {"HEADERS": "api-key=k\nx-a=b"}),
        (["--header", "x=a, b=c", "--header", "y=d"], ["--header=x=a, b=c", "--header=y=d"], {}),
        (["--notify", "mailto://h?to=a,b"], [], {"NOTIFY": "mailto://h?to=a,b"}),
        (["--notify"], [], {"NOTIFY": ""}),
    ],
)  # fmt: skip
def test_a_token_stands_in_no_command_line(words: list[str], kept: list[str], told: dict[str, str]) -> None:
    assert in_the_background(words) == (kept, {f"AGENTBATCH_{name}": value for name, value in told.items()})


def test_words_that_start_no_run_are_told(project: Project) -> None:
    with pytest.raises(EndedEarly, match=r"^There is no task file .*none\.json") as told:
        project.start("-t", "none.json")
    assert told.value.code == 2
    with pytest.raises(EndedEarly) as told:
        project.start("--dry-run")
    assert (told.value.code, "Nothing was run." in str(told.value)) == (0, True)
    assert not (project.folder / ".agentbatch").exists()


def test_stop_drains_and_a_second_stop_ends_it_at_once(project: Project) -> None:
    background = project.start()
    project.wait_for_the_check()
    background.stop()
    run = RunFolder(background.run_folder)
    wait_until(lambda: "stopping: nothing new starts" in run.log.read_text().casefold())
    assert background.ended() is None  # the check goes on
    background.stop()
    wait_until(lambda: background.ended() == 130)
    assert open_run(run).condition == "interrupted"


def test_stop_now_does_not_wait_for_what_is_under_way(project: Project) -> None:
    background = project.start()
    project.wait_for_the_check()
    background.stop_now()
    wait_until(lambda: background.ended() == 130)
    background.stop()  # nobody is there to hear it


STARTER = """
import os, sys
from pathlib import Path
from agentbatch.runs.services.background import in_the_background, start_background
background = start_background(sys.argv[3:], Path.cwd(), os.environ, lifeline=sys.argv[1] == "held")
if sys.argv[2] == "detach":
    background.detach()
print(background.process.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("line", "leave"), [("held", "stay"), ("held", "detach"), ("free", "stay")])
@pytest.mark.slow
def test_an_engine_outlives_a_killed_starter_only_when_it_was_asked_to(
    project: Project, line: str, leave: str
) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-P", "-c", STARTER, line, leave, *WORDS],
        cwd=project.folder, env=project.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert starter.stdout is not None
    assert starter.stdin is not None
    assert starter.stdout.readline().strip().isdecimal()
    project.wait_for_the_check()
    (run,) = list_runs(project.folder)
    starter.kill()
    starter.wait()
    starter.stdin.close()
    starter.stdout.close()
    if (line, leave) == ("held", "stay"):
        # The check under way is not waited for: ten seconds later the engine stops at once.
        wait_until(lambda: not holder(run))
        assert open_run(run).condition == "interrupted"
    else:
        project.let_go()
        wait_until(lambda: not holder(run))
        assert open_run(run).condition == "finished"


def test_a_start_can_be_called_off(project: Project) -> None:
    _, environ = waiting_at_start(project.folder.parent, project.environ)
    starting = Starting([], project.folder, environ, lifeline=True)
    threading.Timer(0.5, starting.cancel).start()
    with pytest.raises(CalledOff):
        starting.wait()
    assert starting.process.returncode == -signal.SIGTERM
    assert not (project.folder / ".agentbatch").exists()


def test_ctrl_c_waits_until_it_is_known_what_was_started() -> None:
    started = False
    with pytest.raises(KeyboardInterrupt), interrupts_held():
        signal.raise_signal(signal.SIGINT)
        started = True
    assert started
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


async def test_in_another_thread_nothing_is_to_be_held() -> None:
    def held() -> str:
        with interrupts_held():
            return "passed"

    assert await asyncio.to_thread(held) == "passed"
