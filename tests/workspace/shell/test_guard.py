"""Without a sandbox nobody gets away from a command or a program by emptying its environment and leaving its family."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.output import Collector
from agentbatch.workspace.shell.processes import CommandProcess
from tests.support.programs import alive, wait_until_gone
from tests.support.waiting import until, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreapers are Linux's")

HIDES = """
import ctypes, os, signal, sys, time
word, ways, stays = sys.argv[1], sys.argv[2].split(), float(sys.argv[3])
libc = ctypes.CDLL(None)

def hide(depth):
    if os.fork() == 0:
        os.setsid()
        if depth:
            hide(depth - 1)
            os._exit(0)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            os.execve("/bin/bash", ["bash", "-c", "exec -a $0 sleep 600", word], {})
        os._exit(0)

if "no-reaper" in ways:
    libc.prctl(36, 0, 0, 0, 0)
if "no-dumps" in ways:
    libc.prctl(4, 0, 0, 0, 0)  # /proc/PID/environ is root's
if "own-reaper" in ways and os.fork() == 0:
    os.setsid()
    libc.prctl(36, 1, 0, 0, 0)
    hide(1)
    os.execve("/bin/bash", ["bash", "-c", "exec -a $0 sleep 600", word], {})
hide(5 if "deep" in ways else 1)
if "many" in ways:
    for _ in range(20):
        hide(1)
time.sleep(0.2)
open("hidden", "w").close()
time.sleep(stays)
"""
WAYS = [
    "plain",
    "no-reaper",
    "no-dumps",
    "own-reaper",
    "deep many",
    "no-reaper no-dumps own-reaper deep many",
]


@pytest.fixture
def own_guard() -> Iterator[Guard]:
    """For who does something to it."""
    made = Guard("nobody carries this", os.environ)
    yield made
    made.close()


@pytest.fixture
def word() -> str:
    return f"mark-{uuid.uuid4().hex}"


def command(guard: Guard, root: Path, word: str, ways: str, stays: float) -> CommandProcess:
    argv = [sys.executable, "-c", HIDES, word, ways, str(stays)]
    return CommandProcess(argv, root, dict(os.environ), sweep=True, guard=guard)


MOST = [pytest.param(ways, marks=pytest.mark.slow) for ways in WAYS[:-1]]


@pytest.mark.parametrize(
    "stays", [pytest.param(0.0, id="ends"), pytest.param(600.0, id="is ended", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("ways", [*MOST, WAYS[-1]])
async def test_who_hides_ends_with_its_command(
    guard: Guard, tmp_path: Path, word: str, ways: str, stays: float
) -> None:
    process = command(guard, tmp_path, word, ways, stays)
    try:
        watching = asyncio.ensure_future(process.watch(Collector(tmp_path / "out"), 300))
        if stays:
            await until((tmp_path / "hidden").exists)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        else:
            assert await watching
    finally:
        await process.end()
    assert alive(word) == []
    assert process.exit_code == (137 if stays else 0)


@pytest.mark.slow
async def test_others_that_run_are_left_alone(guard: Guard, tmp_path: Path, word: str) -> None:
    """Also what they have hidden: it is theirs."""
    stays, ends = f"{word}-stays", f"{word}-ends"
    one = command(guard, tmp_path, stays, "plain", 600.0)
    collector = Collector(tmp_path / "out")
    watching = asyncio.ensure_future(one.watch(collector, 300))
    await until(lambda: len(alive(stays)) >= 2)
    for _ in range(3):
        other = command(guard, tmp_path, ends, "plain", 0.0)
        assert await other.watch(Collector(tmp_path / "out"), 300)
        await other.end()
        assert alive(ends) == []
    assert len(alive(stays)) >= 2
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await one.end()
    assert alive(stays) == []


async def test_a_guard_that_is_killed_is_replaced_and_its_processes_are_over(
    own_guard: Guard, tmp_path: Path, word: str
) -> None:
    """Whoever runs without walls can do that, as he can kill the engine; what carries the mark ends all the same."""
    argv = ["bash", "-c", f"exec -a {word} sleep 600"]
    process = CommandProcess(argv, tmp_path, dict(os.environ), sweep=True, guard=own_guard)
    await until(lambda: bool(alive(f"{word}\0")))
    assert own_guard._process is not None
    os.kill(own_guard._process.pid, signal.SIGKILL)
    assert await process.watch(Collector(tmp_path / "out"), 300)
    await process.end()
    assert (process.exit_code, alive(word)) == (137, [])
    again = CommandProcess(["true"], tmp_path, dict(os.environ), sweep=True, guard=own_guard)
    assert await again.watch(Collector(tmp_path / "out"), 300)
    await again.end()
    assert again.exit_code == 0


@pytest.mark.slow
async def test_a_guard_that_stands_still_is_not_waited_for(own_guard: Guard, tmp_path: Path) -> None:
    for _ in range(2):
        process = CommandProcess(["true"], tmp_path, dict(os.environ), sweep=True, guard=own_guard)
        await process.end()
        assert own_guard._process is not None
        assert own_guard._line is not None
        own_guard._line.settimeout(0.3)
        os.kill(own_guard._process.pid, signal.SIGSTOP)
        with pytest.raises(OSError, match="timed out"):
            CommandProcess(["true"], tmp_path, dict(os.environ), sweep=True, guard=own_guard)


@pytest.mark.parametrize(
    ("argv", "cwd"), [(["/nowhere/x"], "/"), (["no-such-program"], "/"), (["true"], "/nowhere"), (["/"], "/")]
)
async def test_what_cannot_be_started_is_said_as_everywhere(guard: Guard, argv: list[str], cwd: str) -> None:
    told = []
    for given in (guard, None):
        with pytest.raises(OSError, match="Errno") as error:
            CommandProcess(argv, Path(cwd), dict(os.environ), sweep=True, guard=given)
        told.append((error.value.errno, os.fspath(error.value.filename)))
    assert told[0] == told[1]


async def test_arguments_and_variables_pass_as_they_are(guard: Guard, tmp_path: Path) -> None:
    odd = {**os.environ, "ODD": "a\nb=\udcff ä", "LARGE": "x" * 100_000}
    script = 'printf %s "$1$ODD" | od -An -tx1 -v | tr -d " \n"; echo; echo ${#LARGE}; pwd; ls -l /proc/self/fd | wc -l'
    outputs = []
    for given in (guard, None):
        argv = ["bash", "-c", script, "x", "\udcfe\n ö"]
        process = CommandProcess(argv, tmp_path, odd, sweep=True, guard=given)
        collector = Collector(tmp_path / "out")
        assert await process.watch(collector, 300)
        await process.end()
        outputs.append(collector.finish())
    assert outputs[0] == outputs[1]


ENGINE = """
import asyncio, json, os, sys
from pathlib import Path
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.output import Collector
from agentbatch.workspace.shell.processes import CommandProcess

async def main(argv, root):
    process = CommandProcess(argv, Path(root), dict(os.environ), sweep=True, guard=Guard("nobody", os.environ))
    print("begun", flush=True)
    await process.watch(Collector(Path(root) / "out"), 600)

asyncio.run(main(*json.loads(sys.argv[1])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("ways", WAYS)
def test_who_hides_ends_when_the_engine_is_killed(ways: str, tmp_path: Path, word: str) -> None:
    given: list[Any] = [[sys.executable, "-c", HIDES, word, ways, "600"], str(tmp_path)]
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, json.dumps(given)], stdout=subprocess.PIPE)
    with engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"begun\n"
        wait_until((tmp_path / "hidden").exists)
        engine.send_signal(signal.SIGKILL)
    assert wait_until_gone(word) == []
