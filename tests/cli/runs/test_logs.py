import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from agentbatch.cli.runs import logs
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.runs import events as e
from agentbatch.runs.folder import RunFolder
from agentbatch.runs.store.store import Store
from tests.runs.stored_runs import begin, end, finished, interrupted, work
from tests.support.subcommand import run_command
from tests.support.waiting import PATIENCE


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def test_the_whole_log_or_its_last_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = await finished(tmp_path)
    whole = folder.log.read_text(encoding="utf-8")
    assert run_command(logs) == 0
    assert capsys.readouterr().out == whole
    assert run_command(logs, folder.run_id, "-n", "2") == 0
    assert capsys.readouterr().out.splitlines() == whole.splitlines()[-2:]
    assert run_command(logs, "-n", "0") == 0
    assert capsys.readouterr().out == ""
    assert run_command(logs, "-f") == 0, "the run is over: nothing more can come"
    assert capsys.readouterr().out == whole


async def test_the_lines_of_one_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = begin(tmp_path, 12)
    for n in range(12):
        work(store, f"t{n}")
        end(store, f"t{n}")
    await store.close()
    assert run_command(logs, "--task", "t0") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert {line.split()[2] for line in lines} == {"1/12:"}
    assert run_command(logs, "--task", "t11", "-n", "1") == 0
    assert " task 12/12: completed" in capsys.readouterr().out
    with pytest.raises(UserError, match="The run has no task 't1l'. Did you mean t1"):
        run_command(logs, "--task", "t1l")


async def test_what_cannot_be_printed(tmp_path: Path) -> None:
    folder = await interrupted(tmp_path)
    for given in ("-1", "ten", "²", "9" * 50):
        with pytest.raises(UserError, match="-n/--lines: must be a whole number"):
            run_command(logs, f"--lines={given}")
    folder.log.unlink()
    with pytest.raises(UserError, match="has no log"):
        run_command(logs)


async def test_a_line_that_was_cut_by_a_crash_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = await finished(tmp_path)
    with open(folder.log, "ab") as log:
        log.write(b"[00:00:00] task 1/1: cut \xe5")
    for words in ([], ["-f"], ["-f", "--task", "t0"]):
        assert run_command(logs, *words) == 0
        assert capsys.readouterr().out.endswith("task 1/1: cut \ufffd\n")


T = TypeVar("T")


class Follower:
    """`agentbatch logs -f` in a process of its own."""

    def __init__(self, base: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentbatch", "logs", "-f", *words],
            cwd=base,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout

    async def line(self) -> str:
        """The next line; waits for it."""
        return (await self._within(self.output.readline)).decode()

    async def until(self, text: str) -> None:
        while True:
            line = await self.line()
            assert line, f"ended without {text!r}"
            if text in line:
                return

    async def ended(self) -> tuple[int, str]:
        """The exit code, and what was left to read."""
        rest, errors = await self._within(self.process.communicate)
        assert errors == b""
        return self.process.returncode, rest.decode()

    async def left(self) -> int:
        """The exit code, when nobody reads."""
        return await self._within(self.process.wait)

    async def _within(self, wait: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.to_thread(wait)
        except TimeoutError:
            self.process.kill()  # else the thread would wait on
            raise


@pytest.fixture
def followers() -> Iterator[list[Follower]]:
    started: list[Follower] = []
    yield started
    for follower in started:
        follower.process.kill()
        follower.process.wait()
        for stream in (follower.process.stdout, follower.process.stderr):
            if stream is not None:
                stream.close()


@pytest.mark.slow
async def test_following_ends_with_the_run(tmp_path: Path, followers: list[Follower]) -> None:
    store = begin(tmp_path, 1)
    follower = Follower(tmp_path)
    followers.append(follower)
    await follower.until("agentbatch 0, run")
    work(store, "t0")
    await follower.until("started: t0")
    # Half a line is not printed before its end has come.
    with open(store.folder.log, "ab", buffering=0) as log:
        log.write(b"half")
        await asyncio.sleep(1)
        log.write(b" and half\n")
    await follower.until("half and half")
    end(store, "t0")
    store.emit(e.RunFinished())
    await store.close()
    code, rest = await follower.ended()
    assert code == 0
    assert rest.splitlines()[-1].endswith("run finished: 1 completed")


async def test_following_one_task_of_a_run_that_another_session_took_up(
    tmp_path: Path, followers: list[Follower]
) -> None:
    folder = await interrupted(tmp_path)
    store = Store(RunFolder(folder.path), Redactor([]), resume=True)
    follower = Follower(tmp_path, "--task", "t2", "-n", "1")
    followers.append(follower)
    assert " task 3/4: cancelled" in await follower.line()
    store.emit(e.TaskResumed(task_id="t2"))
    store.emit(e.ToolCalled(task_id="t1", call_id="c", tool="bash", summary="another task's"))
    store.emit(e.ToolCalled(task_id="t2", call_id="c", tool="bash", summary="make check"))
    store.flush()
    await follower.until("make check")
    await store.close()
    code, rest = await follower.ended()
    assert (code, "another" in rest) == (0, False)


async def test_following_ends_when_the_reader_goes_or_interrupts(
    tmp_path: Path, followers: list[Follower]
) -> None:
    store = begin(tmp_path)
    interrupted_one, left_one = Follower(tmp_path), Follower(tmp_path)
    followers += [interrupted_one, left_one]
    for follower in followers:
        await follower.until("agentbatch 0, run")
    os.kill(interrupted_one.process.pid, signal.SIGINT)
    assert (await interrupted_one.ended())[0] == 130
    left_one.output.close()
    store.emit(e.Notice(text="nobody reads this"))
    store.flush()
    assert await left_one.left() == 1
    await store.close()
