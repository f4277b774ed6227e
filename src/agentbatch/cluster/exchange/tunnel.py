"""One port of the engine's loopback for a program on a node: who connects to a port there is connected to it here. The
bytes go the way of all questions, so that no port of ours is open to a network."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

from agentbatch.cluster.exchange.losses import Lost
from agentbatch.cluster.shapes import checked
from agentbatch.errors import UserError
from agentbatch.workspace.workspace import Program

CHUNK = 65536
MAX_CONNECTIONS = 64
"""Of one program at a time; more are closed at once."""
UNREAD = 64
"""Pieces that wait for the engine to take them; who sends more waits."""

CLOSED = b""


class Gate:
    """On the node: it listens on loopback, and says what has come from whom."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._numbers = count(1)
        self._come: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(UNREAD)
        self._reading: set[asyncio.Task[None]] = set()

    async def listen(self) -> int:
        """Once; returns the port. Raises OSError."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=CHUNK)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def next(self) -> tuple[int, bytes]:
        """What has come next: a connection's number and bytes; CLOSED: its other side sends no more. Waits for it."""
        return await self._come.get()

    async def send(self, number: int, data: bytes) -> None:
        """To a connection, when it takes more; CLOSED: that was all."""
        writer = self._writers.get(number)
        if writer is None:
            return
        with suppress(ConnectionError):
            if data == CLOSED:
                del self._writers[number]
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    async def close(self) -> None:
        """Safe to repeat."""
        if self._server is not None:
            self._server.close()
        for reading in self._reading:
            reading.cancel()
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= MAX_CONNECTIONS:
            writer.close()
            return
        number = next(self._numbers)
        self._writers[number] = writer
        reading = asyncio.ensure_future(self._read(number, reader))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)

    async def _read(self, number: int, reader: asyncio.StreamReader) -> None:
        data = b"-"
        while data:
            try:
                data = await reader.read(CHUNK)
            except ConnectionError:
                data = CLOSED
            await self._come.put((number, data))


class Way:
    """At home: from the gate on a node to a port here, for as long as it is asked for (`close`)."""

    def __init__(self, ask: Callable[..., Awaitable[Any]], port: int) -> None:
        """`ask(member, ...)`: of the gate."""
        self._ask = ask
        self._port = port
        self._queues: dict[int, asyncio.Queue[bytes]] = {}
        self._passing: set[asyncio.Task[None]] = set()
        self._taking = asyncio.ensure_future(_while_it_lasts(self._take()))

    async def close(self) -> None:
        doing = [self._taking, *self._passing]
        for one in doing:
            one.cancel()
        await asyncio.wait(doing)

    async def _take(self) -> None:
        while True:
            number, data = checked(tuple[int, bytes], await self._ask("next"))
            if number not in self._queues:
                self._queues[number] = asyncio.Queue(UNREAD)
                passing = asyncio.ensure_future(_while_it_lasts(self._pass_on(number, self._queues[number])))
                self._passing.add(passing)
                passing.add_done_callback(self._passing.discard)
            await self._queues[number].put(data)

    async def _pass_on(self, number: int, come: "asyncio.Queue[bytes]") -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=CHUNK)
        except OSError:
            await self._ask("send", number, CLOSED)
            return
        try:
            await asyncio.gather(self._there(number, reader), _here(come, writer))
        except ConnectionError:
            await self._ask("send", number, CLOSED)
        finally:
            writer.close()

    async def _there(self, number: int, reader: asyncio.StreamReader) -> None:
        data = b"-"
        while data:
            data = await reader.read(CHUNK)
            await self._ask("send", number, data)


async def _while_it_lasts(work: Coroutine[Any, Any, None]) -> None:
    """A node that is lost is the end of its connections, and told elsewhere."""
    with suppress(Lost, UserError, OSError):
        await work


async def _here(come: "asyncio.Queue[bytes]", writer: asyncio.StreamWriter) -> None:
    while data := await come.get():
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def at_port(program: Program, port: int) -> Program:
    """The program, told of another port wherever it is told of its own: as part of an address. Pure."""
    old, new = (f"127.0.0.1:{number}" for number in (program.port, port))
    return replace(
        program,
        argv=tuple(word.replace(old, new) for word in program.argv),
        env={name: value.replace(old, new) for name, value in program.env.items()},
        files={path: content.replace(old.encode(), new.encode()) for path, content in program.files.items()},
        port=port,
    )
