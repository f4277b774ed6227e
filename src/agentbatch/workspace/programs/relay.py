"""One port of this machine's loopback for a program in a sandbox without a network: whoever connects to that port
inside is connected to it here, and to nothing else. No process of ours stays inside: what listens there is our socket.
"""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from agentbatch.workspace.shell.processes import CHUNK

MAX_CONNECTIONS = 64
"""Of one program at a time; more are closed at once, so that it cannot use up the engine's handles."""


def interpreter() -> tuple[Path, Path]:
    """The Python that we run by, and the folder of all that it needs."""
    return Path(sys.executable).resolve(), Path(sys.base_prefix).resolve()


class Relay:
    """From before the program's start to its end; `close` is called for every one."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def handle(self) -> int:
        """What the process has to be given."""
        return self._there.fileno()

    def around(self, argv: Sequence[str]) -> list[str]:
        """The command line that begins to listen and then is `argv`, whose program is a path."""
        text = files("agentbatch.workspace.programs").joinpath("listen.py").read_text("utf-8")
        return [str(interpreter()[0]), "-I", "-S", "-c", text, str(self.handle), str(self._port), *argv]

    @property
    def is_open(self) -> bool:
        """It listens."""
        return self._server is not None

    async def listen(self) -> bool:
        """When the process has started: whether it has begun to listen."""
        if self.is_open:
            return True
        self._there.close()
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._here, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._here)
        _, handles, _, _ = socket.recv_fds(self._here, 1, 1)
        self._here.close()
        if handles:
            listening = socket.socket(fileno=handles[0])
            self._server = await asyncio.start_server(self._connected, sock=listening, limit=CHUNK)
        return bool(handles)

    async def close(self) -> None:
        self._here.close()
        self._there.close()
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            writer.close()
            return
        passing = asyncio.ensure_future(self._pass_on(reader, writer))
        self._connections.add(passing)
        passing.add_done_callback(self._connections.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            try:
                to_read, to_write = await asyncio.open_connection("127.0.0.1", self._port, limit=CHUNK)
            except OSError:
                writer.close()
                raise
            try:
                await asyncio.gather(_pump(reader, to_write), _pump(to_read, writer))
            finally:
                to_write.close()
                writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """From one to the other as fast as the slower takes it, its end too."""
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
