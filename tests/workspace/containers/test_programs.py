"""Programs that are talked with, in a container of their own."""

import asyncio
import os
from pathlib import Path

import pytest

from agentbatch.errors import UserError
from agentbatch.workspace.containers.engine import Engine
from agentbatch.workspace.workspace import Program
from tests.support.containers import containers_of
from tests.support.programs import everything
from tests.workspace.containers.conftest import TASKS, MakeTask

pytestmark = pytest.mark.slow


def python(script: str, *arguments: str, **given: object) -> Program:
    return Program(("python3", "-c", script, *arguments), home="agent", **given)  # type: ignore[arg-type]


async def test_it_is_talked_with_in_the_directory_and_a_home_of_its_own(
    task: MakeTask, tmp_path: Path
) -> None:
    place = await task("whole", env={"Y": "z"})
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "for line in sys.stdin: print(line.upper(), end='', flush=True)\n"
        "print(os.getcwd(), os.environ['X'], os.environ['Y'], sys.argv, (Path.home() / 'a/conf').read_text())\n"
        "print(sorted(os.listdir(Path.home()))); (Path.home() / 'mine').touch(); Path('new').write_text('n')\n"
        "sys.stderr.write('oops\\n'); sys.exit(3)"
    )
    for home in ("['a']", "['a', 'mine']"):
        process = await place.open(python(script, "-x", "a b", env={"X": "y"}, files={"a/conf": b"told"}))
        await process.write(b"one\n")
        await process.close_input()
        shown = (await everything(process)).decode()
        assert shown == f"ONE\n{tmp_path}/project/task y z ['-c', '-x', 'a b'] told\n{home}\n"
        assert await process.wait() == 3
        assert process.errors == "oops\n"
    new = tmp_path / "project/task/new"
    assert (new.read_text(), new.stat().st_uid) == ("n", os.getuid())
    hidden = await place.run(f"ls {place.info.homes}; ls /proc/*/environ | wc -l", 300)
    assert "No such file" in hidden.output


async def test_a_login_is_the_user_s_own_file_and_no_command_sees_it(task: MakeTask, tmp_path: Path) -> None:
    place = await task("whole")
    login = tmp_path / "project/.agentbatch/runs/r1/tasks/.codex/auth.json"  # HOME, in these tests
    login.parent.mkdir(parents=True)
    login.write_text("old")
    script = (
        "from pathlib import Path; h = Path.home() / '.codex'\n"
        "print((h / 'auth.json').read_text(), [p.name for p in h.iterdir()]); (h / 'auth.json').write_text('new')"
    )
    process = await place.open(python(script, credentials=(".codex/auth.json",)))
    assert await everything(process) == b"old ['auth.json']\n", process.errors
    assert login.read_text() == "new"


@pytest.mark.parametrize("network", [True, False])
async def test_one_port_of_the_engine_is_reached_with_and_without_a_network(
    task: MakeTask, network: bool
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"told " + await reader.read(100))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    other = await asyncio.start_server(answer, "127.0.0.1", 0)
    port, closed = (one.sockets[0].getsockname()[1] for one in (server, other))
    place = await task("whole", network=network)
    script = (
        "import socket, sys\n"
        "for port in map(int, sys.argv[1:]):\n"
        "    try:\n"
        "        one = socket.create_connection(('127.0.0.1', port), 300); one.sendall(b'x'); print(one.recv(100))\n"
        "    except OSError as error: print(type(error).__name__)\n"
    )
    process = await place.open(python(script, str(port), str(closed), str(port), port=port))
    assert await everything(process) == b"b'told x'\nConnectionRefusedError\nb'told x'\n", process.errors
    server.close()
    other.close()


async def test_it_stands_still_and_ends_with_all_that_it_started(
    task: MakeTask, tmp_path: Path, engine: Engine
) -> None:
    place = await task("whole")
    script = (
        "import os, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
        "    os.execve('/usr/bin/python3', ['python3', '-c', '''\n"
        "import time\nwhile True:\n    open('ticks', 'a').write('.'); time.sleep(0.01)'''], {})\n"
        "print('up', flush=True); time.sleep(99)"
    )
    process = await place.open(python(script))
    assert (await process.read()).startswith(b"up")
    ticks = tmp_path / "project/task/ticks"

    async def moves() -> bool:
        before = ticks.stat().st_size if ticks.exists() else 0
        await asyncio.sleep(0.3)
        return (ticks.stat().st_size if ticks.exists() else 0) != before

    while not await moves():
        pass
    await process.freeze()
    assert not await moves()
    assert (await place.run("echo judged", 300)).output == "judged\n"
    await process.thaw()
    while not await moves():
        pass
    await process.stop()
    assert not await moves()
    assert len(containers_of(tmp_path / TASKS)) == 1


async def test_what_the_image_lacks_is_said(task: MakeTask) -> None:
    place = await task("small")
    for name in ("python3", "/usr/bin/nope", "--privileged", "sub/run.sh"):
        with pytest.raises(UserError, match="is not to be found in the task's image"):
            await place.open(Program((name,), home="agent"))
