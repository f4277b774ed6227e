"""A program ends with all that it has started, however it ends, and whoever ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.programs import programs
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from agentbatch.workspace.shell.marks import sweep
from agentbatch.workspace.workspace import Order
from tests.support.programs import DAEMON, alive, everything, python, wait_until_gone
from tests.support.waiting import until, wait_until
from tests.support.workspaces import local_workspace, local_workspaces
from tests.workspace.programs.conftest import MakeWorkspace

LEAVES = DAEMON + "daemon(sys.argv[1]); print('begun', flush=True)\n"
STAYS = LEAVES + "import time; time.sleep(600)"


@pytest.fixture
def word() -> str:
    """Marks the processes of one test in their command lines."""
    return f"mark-{uuid.uuid4().hex}"


async def test_it_ends_by_itself(workspace: LocalWorkspace, word: str) -> None:
    process = await workspace.open(python(LEAVES, word))
    assert await everything(process) == b"begun\n"
    assert await process.wait() == 0
    assert alive(word) == []


async def test_it_is_stopped(workspace: LocalWorkspace, word: str) -> None:
    process = await workspace.open(python(STAYS, word))
    assert await process.read() == b"begun\n"
    await until(lambda: len(alive(word)) >= 2)  # who is becoming another program shows no words
    reading = asyncio.ensure_future(process.read())
    await asyncio.sleep(0)
    await process.stop()
    assert alive(word) == []
    assert await reading == b""
    assert await process.wait() == 137
    await process.stop()
    assert await process.read() == b""


async def test_what_has_emptied_its_environment_and_left_the_group_is_found_by_who_began_it(
    workspace: LocalWorkspace, word: str
) -> None:
    script = (
        "import os, sys, subprocess\n"
        "code = 'import ctypes; ctypes.CDLL(None).prctl(4, 0); print(1, flush=True); import time; time.sleep(600)'\n"
        "subprocess.run(['python3', '-c', code, sys.argv[1]], env={}, start_new_session=True)"
    )
    process = await workspace.open(python(script, word, env={"PYTHONUNBUFFERED": "1"}))
    assert await process.read() == b"1\n"
    await process.stop()
    assert wait_until_gone(word) == []


async def test_who_got_away_and_prints_for_ever_is_not_listened_to_for_ever(
    root: Path, tmp_path: Path, word: str
) -> None:
    """Without a sandbox: it has emptied its environment, and its parents have ended."""
    script = (
        "import os, sys\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.execve('/bin/bash', ['bash', '-c', 'exec -a $0 yes', sys.argv[1]], {})\n"
        "    os._exit(0)\n"
        "os.wait(); import time; time.sleep(0.3)"
    )
    workspace = local_workspace(root, tmp_path / "run/outputs")
    process = await workspace.open(python(script, word))
    try:
        while await process.read():
            await asyncio.sleep(0.002)  # slower than it prints
        await process.stop()
    finally:
        for pid in alive(word):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
async def test_one_whose_home_has_grown_too_large_is_ended_and_begins_with_an_empty_one(
    workspace: LocalWorkspace, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "LOOK", 0.05)
    monkeypatch.setattr(programs, "is_too_large", lambda home: (home / "large").exists())
    script = LEAVES + "open(os.environ['HOME'] + '/large', 'w'); import time; time.sleep(600)"
    process = await workspace.open(python(script, word))
    assert await everything(process) == b"begun\n"
    assert await process.wait() == 137
    assert "Its HOME took more than 10 GiB" in process.errors
    assert alive(word) == []
    again = await workspace.open(python("import os; print(os.listdir(os.environ['HOME']))"))
    assert await everything(again) == b"[]\n"


async def test_its_workspace_is_closed(make_workspace: MakeWorkspace, word: str) -> None:
    workspace = make_workspace()
    for _ in range(2):
        assert await (await workspace.open(python(STAYS, word))).read() == b"begun\n"
    assert await workspace.close() == ()
    assert alive(word) == []


@pytest.mark.slow  # many moments
async def test_cancelled_while_it_starts_or_is_talked_with_it_leaves_no_handle(
    workspace: LocalWorkspace, word: str
) -> None:
    await (await workspace.open(python(LEAVES, word))).stop()
    handles = len(os.listdir("/proc/self/fd"))

    async def talk() -> None:
        process = await workspace.open(python(STAYS, word))
        try:
            while await process.read():
                pass
        finally:
            await process.stop()

    for steps in range(0, 12, 2):
        talking = asyncio.ensure_future(talk())
        for _ in range(steps):
            await asyncio.sleep(0.002)
        talking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await talking
    await workspace.close()
    assert wait_until_gone(word) == []
    assert len(os.listdir("/proc/self/fd")) <= handles


async def test_frozen_nothing_moves_until_it_is_thawed(workspace: LocalWorkspace, root: Path) -> None:
    ticking = "import time\nwhile True: open('{}', 'a').write('x'); time.sleep(0.001)"
    script = (
        "import os, subprocess, sys\n"
        f"code = {ticking!r}\n"
        "subprocess.Popen(['python3', '-c', code.format('b')], env={}, start_new_session=True)\n"
        "print(1, flush=True)\nexec(code.format('a'))"
    )
    process = await workspace.open(python(script))
    assert await process.read() == b"1\n"
    files = root / "a", root / "b"

    async def both_grow() -> None:
        before = [file.stat().st_size if file.exists() else 0 for file in files]
        while any(not f.exists() or f.stat().st_size <= size for f, size in zip(files, before, strict=True)):
            await asyncio.sleep(0.01)

    await both_grow()
    await process.freeze()
    stood = [file.stat().st_size for file in files]
    await asyncio.sleep(0.1)
    assert [file.stat().st_size for file in files] == stood
    await process.thaw()
    await both_grow()
    await process.freeze()
    await process.stop()
    assert await process.wait() == 137


ENGINE = """
import asyncio, json, sys
from pathlib import Path
from agentbatch.workspace.sandbox.sandbox import choose_sandbox
from tests.support.programs import python
from tests.support.workspaces import local_workspace, local_workspaces
from agentbatch.workspace.workspace import Order

async def main(tasks, root, sandbox, script, word):
    run = local_workspaces(Path(tasks), {"PATH": "/usr/bin:/bin"}, choice=choose_sandbox(sandbox))
    place = run.make(Order("t", root, "none", {}, (), 60.0))
    process = await (await place.start()).open(python(script, word))
    print((await process.read()).decode(), flush=True)
    await asyncio.sleep(600)

asyncio.run(main(**json.loads(sys.argv[1])))
"""


def killed_engine(choice: SandboxChoice, tasks: Path, root: Path, word: str) -> None:
    """An engine with a program at work, killed in the middle of it."""
    asked: dict[str, Any] = {
        "tasks": str(tasks), "root": str(root), "sandbox": choice.name, "script": STAYS, "word": word,
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", ENGINE, json.dumps(asked)], stdout=subprocess.PIPE, cwd=Path.cwd()
    ) as engine:
        assert engine.stdout is not None
        assert engine.stdout.readline() == b"begun\n"
        wait_until(lambda: len(alive(word)) >= 2)
        engine.send_signal(signal.SIGKILL)


def test_its_engine_is_killed(choice: SandboxChoice, root: Path, tmp_path: Path, word: str) -> None:
    """In the sandbox by the kernel, without one by the guard."""
    killed_engine(choice, tmp_path / "run/tasks", root, word)
    assert wait_until_gone(word) == []


async def test_what_survives_guard_and_engine_ends_when_the_run_is_resumed(
    root: Path, tmp_path: Path, word: str
) -> None:
    tasks = tmp_path / "run/tasks"
    run = local_workspaces(tasks, {"PATH": os.environ["PATH"]})
    env = {**os.environ, "AGENTBATCH_COMMAND": f"x:{run.mark}:y"}
    left = await asyncio.create_subprocess_exec(
        "python3", "-c", "import time; time.sleep(600)", word, env=env
    )
    (tasks / "t/homes/agent").mkdir(parents=True)
    (tasks / "u/homes/agent").mkdir(parents=True)
    await run.remove_leftovers(["u"])
    assert await left.wait() == -signal.SIGKILL
    assert ((tasks / "t/homes").exists(), (tasks / "u/homes").exists()) == (True, False)


async def test_the_guard_of_a_killed_session_leaves_the_next_one_alone(tmp_path: Path) -> None:
    tasks = tmp_path / "run/tasks"
    killed, resumed = (local_workspaces(tasks, {"PATH": os.environ["PATH"]}) for _ in range(2))
    env = resumed.environment(Order("t", str(tmp_path), "none", {}, (), 60.0))
    command = await asyncio.create_subprocess_exec("sleep", "600", env=env)
    await asyncio.to_thread(sweep, killed.guard.mark)
    assert command.returncode is None
    await asyncio.to_thread(sweep, resumed.guard.mark)
    assert await command.wait() == -signal.SIGKILL


async def test_walls_that_could_not_be_built_at_first(
    bubblewrap: SandboxChoice, make_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    once = tmp_path / "once"
    hindered = tmp_path / "bwrap"
    hindered.write_text(
        f'#!/bin/sh\n[ -e {once} ] || {{ touch {once}; exit 1; }}\nexec {bubblewrap.binary} "$@"\n'
    )
    hindered.chmod(0o755)
    workspace = make_workspace(choice=replace(bubblewrap, binary=hindered))
    assert await everything(await workspace.open(python("print('begun')"))) == b"begun\n"
