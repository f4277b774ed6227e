"""Without a network a program reaches the one port that it is given, and nothing else of this machine."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentbatch.workspace.local_workspace import LocalWorkspace
from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from tests.support.programs import everything, python
from tests.support.workspaces import local_workspace


@pytest.fixture
async def walled(bubblewrap: SandboxChoice, root: Path, tmp_path: Path) -> AsyncIterator[LocalWorkspace]:
    made = local_workspace(root, tmp_path / "run/outputs", choice=bubblewrap, network=False)
    yield made
    await made.close()


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that answers a line with its capitals and all else at the end of input; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


TALK = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as way:
    way.sendall(b"one\\n")
    print(way.recv(100), flush=True)
    way.sendall(b"x" * 3_000_000)
    way.shutdown(socket.SHUT_WR)
    received = 0
    while data := way.recv(65536):
        received += len(data)
    print(received, flush=True)
"""


async def test_the_port_is_reached(walled: LocalWorkspace, echo: int) -> None:
    handles = len(os.listdir("/proc/self/fd"))
    process = await walled.open(python(TALK, str(echo), port=echo))
    assert await everything(process) == b"b'ONE\\n'\n3000000\n"
    assert (await process.wait(), process.errors) == (0, "")
    await process.stop()
    await asyncio.sleep(0)  # what is closed is closed in the loop's next turn
    assert len(os.listdir("/proc/self/fd")) <= handles


async def test_nothing_else_is(walled: LocalWorkspace, echo: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        script = (
            "import os, socket, sys\nfor place in (('127.0.0.1', int(sys.argv[1])), ('192.0.2.1', 80)):\n"
            "    try: socket.create_connection(place, 5); print('reached')\n"
            "    except OSError as error: print(type(error).__name__)\n"
            "print(sorted(os.listdir('/proc/self/fd')), os.listdir('/sys/class/net'))"
        )
        process = await walled.open(python(script, str(port), port=echo))
        refused, away, rest = (await everything(process)).decode().splitlines()
        assert (refused, away) == ("ConnectionRefusedError", "OSError")
        assert rest.startswith("['0', '1', '2', '3']"), "no handle of ours"


@pytest.mark.slow  # of what is tried on many real connections
async def test_who_connects_without_end_uses_up_nothing_of_ours(walled: LocalWorkspace, echo: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    script = (
        "import socket, sys\nways = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for n in range(300)]\n"
        "shut = 0\nfor way in ways[100:]:\n"
        "    way.settimeout(300)\n"
        "    try: shut += way.recv(1) == b''\n"
        "    except ConnectionError: shut += 1\n"
        "print(shut, flush=True); input()"
    )
    process = await walled.open(python(script, str(echo), port=echo))
    assert await process.read() == b"200\n"
    assert len(os.listdir("/proc/self/fd")) < before + 3 * 64 + 50
    await process.stop()


async def test_a_port_that_nobody_serves_is_closed_inside_too(walled: LocalWorkspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    script = (
        "import socket, sys\n"
        "with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as way:\n"
        "    try: print(way.recv(1))\n"
        "    except ConnectionError: print(b'')"
    )
    process = await walled.open(python(script, str(port), port=port))
    assert await everything(process) == b"b''\n"


async def test_a_program_that_cannot_begin_says_why(walled: LocalWorkspace, echo: int) -> None:
    handles = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=r"The program was not started: [^$]*port must be 0-65535"):
        await walled.open(python("", port=70_000))
    assert len(os.listdir("/proc/self/fd")) <= handles
