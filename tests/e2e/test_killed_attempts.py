"""kill -9 while a task's attempts are at work, are compared, are brought back: a resumption goes on with the same
choice, nothing is done or paid for twice, and nothing is left of the others."""

import asyncio
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from tests.support.keys import KEY
from tests.support.waiting import until
from tests.tasks.run.verdicts import COMPLETE

pytestmark = pytest.mark.slow

KILLER = Path(__file__).parent / "killed_at.py"
"""A program that runs a batch, or goes on with one, and is killed at a moment that it is told."""

MOMENTS = [
    "an attempt's end",
    "the end of others",
    "the choice's checks",
    "before the choice is stored",
    "after the choice is stored",
    "after the others were left",
    "after it was left",
    "after the end is stored",
    "before the transcripts",
]
PLACES = ["none", "copy", "worktree"]


def bash(command: str) -> ScriptedCall:
    return ScriptedCall(name="bash", arguments={"command": command})


def script(number: int) -> Script:
    """The second attempt is right, and the third; each line of notes.txt is written once, however often it is asked."""
    first = "case $PWD in *@1*) echo wrong;; *) echo right;; esac > a.txt"
    note = "grep -qx one notes.txt 2>/dev/null || echo one >> notes.txt"
    steps = [Say(calls=[bash(first)]), Say(calls=[bash(note)])]
    finish = Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})])
    return Script(prompt=f"Task {number}.", coder=[*steps, finish], evaluator=[Say(verdict=COMPLETE)])


class Killed:
    """Three tasks of three attempts each, in a folder of their own, run by one process after another."""

    def __init__(
        self, folder: Path, server: RehearsalServer, environ: dict[str, str], isolation: str
    ) -> None:
        self.folder, self.server, self.environ, self.isolation = folder, server, environ, isolation
        self.in_flight = 0
        folder.mkdir()
        for number in range(3):
            place = folder / f"work/t{number}"
            place.mkdir(parents=True)
            (place / "a.txt").write_text("old\n")
            if isolation == "worktree":
                self.git(place, "init", "-q", "-b", "main")
                self.git(place, "add", "-A")
                self.git(place, "commit", "-qm", "first")
        tasks = [
            {
                "id": f"t{number}", "dir": f"work/t{number}", "first_prompt": f"Task {number}.",
                "verify": "grep right a.txt", "attempts": 3, "stop_at": "first" if number == 2 else "all",
                "max_iterations": 1, "isolation": isolation,
            }
            for number in range(3)
        ]  # fmt: skip
        (folder / "task.json").write_text(json.dumps({"tasks": tasks}))

    @staticmethod
    def git(place: Path, *words: str) -> str:
        identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
        done = subprocess.run(
            ["git", "-C", str(place), *identity, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    @property
    def run_folder(self) -> Path:
        (found,) = (self.folder / ".agentbatch/runs").iterdir()
        return found

    async def process(self, moment: str = "", number: int = 1, after: float | None = None) -> tuple[int, str]:
        """One process until its end, at `moment` the `number`-th time, or killed `after` so many seconds of a run that
        can be resumed."""
        url = self.server.base_url
        environ = {
            **self.environ, "OPENAI_API_KEY": KEY, "CODER_ENDPOINT": url, "EVALUATION_BASE_URL": url,
            "CODER_MODEL": "rehearsal-coder", "EVALUATION_MODEL": "rehearsal-evaluator",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        words = [
            sys.executable,
            str(KILLER),
            moment,
            str(number),
            "--apply" if self.isolation == "copy" else "",
        ]
        started = await asyncio.create_subprocess_exec(
            *words, cwd=self.folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if after is not None:
            await until(lambda: self.begun() or started.returncode is not None)
            await asyncio.sleep(after)
            if started.returncode is None:
                started.kill()
        output, _ = await started.communicate()
        code = await started.wait()
        if code == -signal.SIGKILL and any((self.folder / ".agentbatch/runs").glob("*/run.db")):
            await self._count_in_flight()
        return code, output.decode(errors="replace")

    async def _count_in_flight(self) -> None:
        received = -1
        while len(self.server.requests) > received:  # what it had sent may still lie in the sockets
            received = len(self.server.requests)
            await asyncio.sleep(0.1)
        (answered,) = self.rows("SELECT count(*) FROM events WHERE type = 'model_call_finished'")[0]
        self.in_flight = received - answered

    def begun(self) -> bool:
        try:
            found = any(self.folder.glob(".agentbatch/runs/*/run.db"))
            return found and bool(self.rows("SELECT 1 FROM events WHERE type = 'run_started'"))
        except sqlite3.Error:  # its tables are being made
            return False

    def rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.run_folder / "run.db")) as connection:
            return connection.execute(query).fetchall()

    def choices(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        query = "SELECT task_id, json_extract(body, '$.attempt') FROM events WHERE type = 'attempt_chosen' ORDER BY seq"
        for task, attempt in self.rows(query) if any(self.folder.glob(".agentbatch/runs/*/run.db")) else ():
            found.setdefault(task, []).append(attempt)
        return found

    def check(self, seen: dict[str, list[str]]) -> None:
        """`seen`: the choices that were stored at kills."""
        choices = self.choices()
        assert {task: len(made) for task, made in choices.items()} == dict.fromkeys(("t0", "t1", "t2"), 1)
        assert all(choices[task] == made for task, made in seen.items())
        assert all(made[0].endswith(("@2", "@3")) for made in choices.values())
        ends = self.rows(
            "SELECT task_id, json_extract(body, '$.status') FROM events WHERE type = 'task_finished'"
        )
        completed = Counter(task for task, status in ends if status == "completed")
        assert all(completed[task] == 1 for task in ("t0", "t1", "t2")), completed
        assert max(completed.values()) == 1, completed
        bodies = Counter(json.dumps(request.body, sort_keys=True) for request in self.server.requests)
        assert sum(n - 1 for n in bodies.values()) <= self.in_flight + _alike(bodies)
        results = json.loads((self.folder / "parallel_batch_results.json").read_text())
        assert results["summary"]["completedTasks"] == 3
        for task, (attempt,) in choices.items():
            self._check_kept(task, attempt)

    def _check_kept(self, task: str, attempt: str) -> None:
        place, kept = self.folder / "work" / task, self.run_folder / "tasks"
        if self.isolation == "worktree":
            names = self.git(place, "branch", "--list", "agentbatch/*", "--format=%(refname:short)").split()
            assert names == [f"agentbatch/{self.run_folder.name}/{attempt}"]
            assert self.git(place, "show", f"{names[0]}:a.txt") == "right\n"
            assert len(self.git(place, "worktree", "list").splitlines()) == 1
            assert (place / "a.txt").read_text() == "old\n"
        else:
            assert (place / "a.txt").read_text() == "right\n"
            assert (place / "notes.txt").read_text() == "one\n"
            assert sorted(path.name for path in place.iterdir()) == ["a.txt", "notes.txt"]
        for name in ("changes.patch", "changes.json", "coder.traj.json"):
            assert (kept / task / name).read_bytes() == (kept / attempt / name).read_bytes(), name
        messages = json.loads((kept / task / "coder.traj.json").read_text())["messages"]
        assert any(message["role"] == "assistant" for message in messages)
        left = [
            path for one in kept.glob(f"{task}@*/work") for path in one.rglob("*") if path.name == "a.txt"
        ]
        assert left == []
        assert not list(self.run_folder.rglob("scratch"))
        assert not list(self.run_folder.rglob("*.tmp"))
        assert not list(kept.glob(f"{task}*/beginning.json"))


def _alike(bodies: Counter[str]) -> int:
    """Attempts ask the same when they have the same seed: they have not, and the judge is asked the same by all."""
    return sum(n - 1 for body, n in bodies.items() if '"rehearsal-evaluator"' in body)


def server() -> RehearsalServer:
    return RehearsalServer([script(number) for number in range(3)], key=KEY, latency=0.02)


@pytest.mark.parametrize("isolation", PLACES)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at_a_moment(
    tmp_path: Path, environ: dict[str, str], moment: str, isolation: str
) -> None:
    async with server() as endpoint:
        batch = Killed(tmp_path / "batch", endpoint, environ, isolation)
        code, output = await batch.process(moment)
        assert code == -signal.SIGKILL, output
        seen = batch.choices()
        code, output = await batch.process(moment, number=2)  # a task later, if there is one left
        assert code in (0, -signal.SIGKILL), output
        seen |= batch.choices()
        code, output = await batch.process()
        assert code == 0, output
        batch.check(seen)
        asked = len(endpoint.requests)
        code, output = await batch.process()
        assert (code, len(endpoint.requests)) == (0, asked), output
    assert not re.search("Traceback|Internal error", output)


@pytest.mark.parametrize("isolation", PLACES)
async def test_killed_at_random(tmp_path: Path, environ: dict[str, str], isolation: str) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    async with server() as endpoint:
        batch = Killed(tmp_path / "batch", endpoint, environ, isolation)
        seen: dict[str, list[str]] = {}
        for _ in range(12):
            code, output = await batch.process(after=chance.random() * 2.5)
            assert code in (0, -signal.SIGKILL), f"seed {seed}: {output}"
            seen |= batch.choices()
        code, output = await batch.process()
        assert code == 0, f"seed {seed}: {output}"
        try:
            batch.check(seen)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
