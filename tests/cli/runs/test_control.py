"""The steering commands as processes, against an engine that is a process too and writes down what it is asked."""

import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentbatch.cli.runs.choice import matching_task, running_run
from agentbatch.errors import UserError
from agentbatch.files import STATE_FOLDER
from tests.runs.stored_runs import interrupted
from tests.support import commands
from tests.support.commands import Started
from tests.support.waiting import wait_until

ENGINE = """
import asyncio, sys
from contextlib import closing
from pathlib import Path
from agentbatch.runs.control.control import Control
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.control.commands import CommandQueue
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.store.store import Store

class Desk:
    def __init__(self, over):
        self.over = over
    def stop(self, now):
        self.over.set()
        return f"Stopping, now={now}."
    def pause(self, task):
        return f"pause {task}"
    def unpause(self, task):
        raise UserError("Nothing is paused.")
    def cancel_task(self, task):
        return f"cancel {task}"
    def retry_task(self, task):
        return f"retry {task} \\x1b[31mred"
    def say(self, task, saying):
        return f"{task}: {saying.text!r}"
    def set_concurrency(self, number):
        return f"concurrency {number} " + "word " * 30

async def main():
    folder = RunFolder(Path(sys.argv[1]))
    folder.path.mkdir(parents=True)
    store = Store(folder, Redactor([]))
    store.emit(e.RunStarted(
        run_id=folder.run_id, version="0", mode="parallel", max_concurrent=3, total_tasks=3,
        coder_model="c", evaluator_model="v", coder_endpoint="u", evaluator_endpoint="u"))
    for n, name in enumerate(("alpha", "beta-1", "beta-2")):
        store.emit(e.TaskQueued(task_id=name, index=n, dir=name, first_prompt="p", max_iterations=4))
    store.flush()
    over = asyncio.Event()
    with closing(CommandQueue(folder.database)) as queue:
        control = asyncio.ensure_future(Control(queue, Desk(over), store.flush).run())
        print("ready", flush=True)
        await over.wait()
        while (folder.path / "linger").exists():
            await asyncio.sleep(0.05)
        control.cancel()
    store.emit(e.RunFinished(interrupted=True))
    await store.close()

asyncio.run(main())
"""


@dataclass
class Fleet:
    """A folder with runs in it."""

    folder: Path
    engines: dict[str, Started]

    def start(self, run_id: str) -> Started:
        place = self.folder / STATE_FOLDER / "runs" / run_id
        program = self.folder / "engine.py"
        program.write_text(ENGINE, encoding="utf-8")
        engine = commands.start_program(program, str(place), cwd=self.folder, env=os.environ)
        self.engines[run_id] = engine
        wait_until(lambda: engine.said() or engine.returncode is not None)
        assert engine.said() == "ready\n", engine.complaints()
        return engine

    def end(self) -> None:
        for engine in self.engines.values():
            engine.kill()
            engine.result()

    def say(self, *words: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr of `agentbatch` with these words."""
        done = commands.run(*words, cwd=self.folder, env=os.environ)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, {})
    yield fleet
    fleet.end()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """With an engine that no test reaches."""
    fleet = Fleet(tmp_path_factory.mktemp("undisturbed"), {})
    fleet.start(RUN)
    yield fleet
    fleet.end()


RUN = "20260102-030405-aaaa"
LATER = "20260102-040506-bbbb"


@pytest.mark.slow
def test_what_the_engine_did_is_said_and_what_it_refused_ends_with_1(fleet: Fleet) -> None:
    fleet.start(RUN)
    assert fleet.say("pause") == (0, "pause None\n", "")
    assert fleet.say("pause", "alpha") == (0, "pause alpha\n", "")
    assert fleet.say("cancel", "beta-2", "--run", RUN[:12]) == (0, "cancel beta-2\n", "")
    assert fleet.say("cancel", "al") == (0, "cancel alpha\n", "")
    assert fleet.say("retry", "2") == (0, "retry beta-1 red\n", "")
    assert fleet.say("resume-paused") == (1, "", "agentbatch: Nothing is paused.\n")
    assert fleet.say("say", "al", "--run", RUN, "a\x1b[31m", "-", "做") == (0, "alpha: 'a - 做'\n", "")
    assert fleet.say("say", "--all", "one", "two") == (0, "None: 'one two'\n", "")
    (fleet.folder / "notes").write_bytes(b"one\r\ntwo \xff\n")
    read = commands.start("say", "1", "-", cwd=fleet.folder, env=os.environ, stdin=fleet.folder / "notes")
    assert read.result().stdout == "alpha: 'one\\ntwo \ufffd'\n"
    code, out, _ = fleet.say("set", "concurrency", "5")
    assert (code, " ".join(out.split())) == (0, "concurrency 5 " + " ".join(["word"] * 30))
    assert all(len(line) <= 80 for line in out.splitlines())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cancel", "gamma"], "The run has no task 'gamma'."),
        (["cancel", "alhpa"], "Did you mean alpha?"),
        (["retry", "beta"], "'beta' could be any of 2 tasks: beta-1, beta-2."),
        (["cancel"], "TASK"),
        (["say", "alpha"], "What is to be said?"),
        (["say", "alpha", " \n"], "There is nothing to say"),
        (["say", "alpha", "x" * 10_001], "at most 10,000 characters"),
        (["say", "gamma", "x"], "The run has no task 'gamma'."),
        (["set", "concurrency", "many"], "N: must be a whole number from 1 to 10000, not 'many'."),
        (["set", "concurrency", "0"], "N: must be a whole number from 1 to 10000, not '0'."),
        (["set", "concurrency", "1001"], "a number from 1 to 1000"),
        (["set", "colour", "5"], "must be concurrency, not 'colour'"),
        (["stop", "20270101"], "There is no run '20270101' here."),
    ],
)
def test_usage_errors_end_with_2_and_reach_no_engine(undisturbed: Fleet, words: list[str], said: str) -> None:
    code, out, err = undisturbed.say(*words)
    assert (code, out) == (2, "")
    assert said in err
    with closing(sqlite3.connect(undisturbed.folder / STATE_FOLDER / "runs" / RUN / "run.db")) as connection:
        assert connection.execute("SELECT count(*) FROM commands").fetchone() == (0,)


def test_stop_waits_for_the_end_when_asked_and_names_the_way_back(fleet: Fleet) -> None:
    engine = fleet.start(RUN)
    place = fleet.folder / STATE_FOLDER / "runs" / RUN
    (place / "linger").touch()
    asking = commands.start("stop", "--now", "--wait", cwd=fleet.folder, env=os.environ)
    _until(lambda: _count(place / "run.db", "answer IS NOT NULL"), asking)
    time.sleep(0.5)
    assert asking.returncode is None
    (place / "linger").unlink()
    asked = asking.result()
    assert asked.returncode == 0
    assert (
        asked.stdout == f"Stopping, now=True.\nThe run has ended.\nResume it later: agentbatch resume {RUN}\n"
    )
    assert engine.result().returncode == 0
    code, out, err = fleet.say("stop")
    assert (code, out) == (2, "")
    assert err == (
        f"agentbatch: No run of this folder is running. `agentbatch resume {RUN}` resumes the newest.\n"
    )
    code, _, err = fleet.say("pause", "--run", RUN)
    assert code == 2
    assert err == f"agentbatch: The run {RUN} is not running. `agentbatch resume {RUN}` resumes it.\n"


def test_without_a_name_the_newest_run_that_is_under_way_is_meant(fleet: Fleet) -> None:
    fleet.start(RUN)
    fleet.start(LATER)
    assert fleet.say("stop", "--wait")[0] == 0
    assert fleet.engines[LATER].result().returncode == 0
    assert fleet.engines[RUN].returncode is None
    assert fleet.say("pause") == (0, "pause None\n", "")


def test_an_engine_that_dies_before_it_answers_is_told_of(fleet: Fleet) -> None:
    engine = fleet.start(RUN)
    engine.send_signal(signal.SIGSTOP)  # it holds its lock and looks for nothing
    asking = commands.start("pause", cwd=fleet.folder, env=os.environ)
    database = fleet.folder / STATE_FOLDER / "runs" / RUN / "run.db"
    _until(lambda: _count(database, "answer IS NULL"), asking)
    os.kill(engine.pid, signal.SIGKILL)
    asked = asking.result()
    assert (asked.returncode, asked.stderr) == (1, "agentbatch: The run ended before this could be done.\n")


def _count(database: Path, condition: str) -> int:
    """Commands of which this is true."""
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM commands WHERE {condition}").fetchone()[0])


def _until(condition: Callable[[], object], process: Started) -> None:
    while not condition():
        assert process.returncode is None


def test_a_folder_without_runs_says_so(fleet: Fleet) -> None:
    code, _, err = fleet.say("stop")
    assert (code, "There are no runs in this folder" in err) == (2, True)


async def test_a_task_of_a_run_that_is_over_is_run_again_by_a_resumption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = await interrupted(tmp_path)
    failed = f"`agentbatch resume {folder.run_id} --retry-failed --filter '^t1$'` runs the task again."
    with pytest.raises(UserError, match=re.escape(failed)):
        running_run(None, again="t1")
    with pytest.raises(UserError, match=f"`agentbatch resume {folder.run_id}` resumes the newest"):
        running_run(None, again="t0")


PLACES = {"build": 0, "build-2": 1, "7": 2, "build-30": 6, "做": 7}


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("build", "build"),  # an id, though others begin so
        ("build-3", "build-30"),
        ("7", "7"),  # an id before a number
        ("2", "build-2"),
        ("做", "做"),
    ],
)
def test_a_task_is_named_by_id_number_or_beginning(name: str, task: str) -> None:
    assert matching_task(PLACES, name) == task


@pytest.mark.parametrize("name", ["", "0", "-1", "9" * 6_000, "02", "bui", "\ud800", "\x1b[2J"])
def test_what_names_no_task_is_refused_in_harmless_words(name: str) -> None:
    with pytest.raises(UserError) as refused:
        matching_task(PLACES, name)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200
