"""Programs that are opened on a node: they are talked with from here, and reach one port of the engine's machine."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.exchange.terms import Walls
from agentbatch.cluster.exchange.tunnel import CLOSED, Gate, Way, at_port
from agentbatch.cluster.workspaces import ClusterTerms, ClusterWorkspaces
from agentbatch.errors import UserError
from agentbatch.redaction import Redactor
from agentbatch.workspace.local_workspace import SandboxRules
from agentbatch.workspace.local_workspaces import LocalWorkspaces
from agentbatch.workspace.preparation import choose_here
from agentbatch.workspace.workspace import Order, Program, Workspace
from tests.support.gateways import Desk
from tests.support.keys import KEY
from tests.support.ray_cluster import RayCluster, environment

PROGRAM = Program(
    ("x", "--url=http://127.0.0.1:4000/v1"),
    "agent",
    env={"URL": "http://127.0.0.1:4000", "PORT": "4000"},
    files={"a.toml": b"url = 'http://127.0.0.1:4000/v1'"},
    port=4000,
)


def test_a_program_is_told_of_the_port_that_it_reaches() -> None:
    told = at_port(PROGRAM, 5123)
    assert told.argv == ("x", "--url=http://127.0.0.1:5123/v1")
    assert told.env == {"URL": "http://127.0.0.1:5123", "PORT": "4000"}
    assert told.files == {"a.toml": b"url = 'http://127.0.0.1:5123/v1'"}
    assert told.port == 5123


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"end")
    writer.close()


@asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_bytes_go_through_a_gate_both_ways_to_their_end() -> None:
    gate = Gate()
    async with echoing() as port:

        async def ask(member: str, *given: object) -> object:
            return await getattr(gate, member)(*given)

        way = Way(ask, port)
        there = await gate.listen()
        pairs = [await asyncio.open_connection("127.0.0.1", there) for _ in range(3)]
        sent = [os.urandom(300_000) for _ in pairs]
        for (_, writer), data in zip(pairs, sent, strict=True):
            writer.write(data)
            writer.write_eof()
        answers = await asyncio.gather(*(reader.read() for reader, _ in pairs))
        assert answers == [data + b"end" for data in sent]
        for _, writer in pairs:
            writer.close()
        await way.close()
        await gate.close()
    await gate.send(99, CLOSED)


async def test_a_program_reaches_the_gateway_by_the_port_that_it_is_told(tmp_path: Path) -> None:
    gate = Gate()
    async with Desk.open("http://127.0.0.1:1/v1", tmp_path) as desk:

        async def ask(member: str, *given: object) -> object:
            return await getattr(gate, member)(*given)

        way, there = Way(ask, desk.gateway.port), await gate.listen()
        url, token = f"http://127.0.0.1:{there}/v1/models", desk.gateway.open(desk.account())
        async with desk.session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 200
        await way.close()
        await gate.close()


@asynccontextmanager
async def workspace_on(cluster: RayCluster, base: Path) -> AsyncIterator[Workspace]:
    root = (base / "work").resolve()
    root.mkdir()
    environ = environment(cluster, os.environ)
    rules = SandboxRules.of_run(
        choose_here("auto"),
        network=True,
        environ=environ,
        directories=[root],
        runs=base / "runs",
        env_files=(),
    )
    redact = Redactor([KEY])
    inner = LocalWorkspaces("b", base / "runs/tasks", environ, rules, secret_names=(), redact=redact)
    terms = ClusterTerms(
        mark=inner.mark,
        store=base / "travel",
        walls=Walls("auto", network=False),
        shared=False,
        cpus=1.0,
        max_wait=None,
        secret_names=(),
        hidden_files=(),
        programs=dict(os.environ),
        path=environ["PATH"],
    )
    connection = Connection(cluster.address, environ, lambda _: None, cluster.argv())
    workspaces = ClusterWorkspaces(inner, connection, terms, redact, *3 * [lambda *_: None])
    task = workspaces.make(Order("t", str(root), "none", {}, ("bash",), 60.0))
    try:
        yield await task.start()
    finally:
        await task.close()
        await workspaces.close()


TALKS = """
import socket, sys
line = sys.stdin.readline()
with socket.create_connection(("127.0.0.1", int(sys.argv[1].rsplit(":", 1)[1]))) as way:
    way.sendall(line.encode())
    way.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: way.recv(100), b""))
print("answered", answer.decode(), flush=True)
open("made.txt", "w").write("by the program")
print("errors", file=sys.stderr)
sys.exit(7)
"""


@pytest.mark.slow
async def test_a_program_on_a_node_is_talked_with_and_reaches_the_engine(
    cluster: RayCluster, tmp_path: Path
) -> None:
    async with echoing() as port, workspace_on(cluster, tmp_path) as workspace:
        argv = ("python3", "-c", TALKS, f"http://127.0.0.1:{port}")
        process = await workspace.open(Program(argv, "agent", port=port))
        await process.write(b"hello\n")
        await process.close_input()
        printed = b""
        while data := await process.read():
            printed += data
        assert printed.decode().split() == ["answered", "hello", "end"]
        assert await process.wait() == 7
        assert process.errors.strip() == "errors"
        await process.stop()
        assert "made.txt" in (await workspace.snapshot()).files
        assert (tmp_path / "work/made.txt").read_text() == "by the program"


@pytest.mark.slow
async def test_what_no_node_gets_is_refused(cluster: RayCluster, tmp_path: Path) -> None:
    async with workspace_on(cluster, tmp_path) as workspace:
        with pytest.raises(UserError, match="never leaves this machine"):
            await workspace.open(Program(("python3",), "agent", credentials=(".x/login",)))
        with pytest.raises(UserError, match="no node gets one"):
            await workspace.open(Program(("python3",), "agent", env={"X": KEY}))
        with pytest.raises(UserError, match="nowhere-to-be-found"):
            await workspace.open(Program(("nowhere-to-be-found",), "agent"))
