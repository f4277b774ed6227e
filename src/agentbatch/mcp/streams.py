"""Messages to and from a server's program, as the protocol's package takes them: JSON-RPC, one message a line, over the
input and output of a program that was opened in a task's workspace.

The package's own way starts the program on this machine, holds what comes without a bound, and starts a task for each
message. A server is not trusted so far: only answers pass, and what it asks for is answered here, one after another.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCRequest, JSONRPCResponse
from pydantic import ValidationError

from agentbatch.files import json_weight
from agentbatch.mcp.problems import ServerProblem
from agentbatch.workspace.workspace import Process

MAX_LINE = 8 << 20
"""Bytes of one message."""
MAX_RECEIVED = 32 << 20
"""Bytes that it may send for one request, with all that it prints besides."""
MAX_MESSAGES = 100_000
"""For one request, too: some tell how far they are."""
MAX_ASKED = 1_000
"""Of them requests of its own, which are refused."""
MAX_WEIGHT = 64 << 20
"""Bytes of memory that one message may take once it is read."""
READ = 256 << 10
UNREAD = 30.0
"""Seconds that it may leave a message of ours unread."""

Incoming = SessionMessage | Exception
NOT_FOUND = {"code": -32601, "message": "Method not found"}


class ProcessStreams:
    """A program's streams; `problem` says why they ended, where it was not by the program's own end."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.problem = ""
        self._received = self._messages = self._asked = 0
        """Since the latest request: bytes, messages, requests of its own."""
        self._open: set[object] = set()
        """Ids of requests that have no answer yet."""

    @asynccontextmanager
    async def open(
        self,
    ) -> AsyncIterator[tuple[MemoryObjectReceiveStream[Incoming], MemoryObjectSendStream[SessionMessage]]]:
        """What the package calls a transport: what comes, and where to put what goes."""
        to_client, incoming = anyio.create_memory_object_stream[Incoming](0)
        outgoing, from_client = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as pumps, to_client, incoming, outgoing, from_client:
            pumps.start_soon(self._read, to_client)
            pumps.start_soon(self._write, from_client, to_client)
            try:
                yield incoming, outgoing
            finally:
                pumps.cancel_scope.cancel()

    async def _write(
        self, outgoing: MemoryObjectReceiveStream[SessionMessage], to_client: MemoryObjectSendStream[Incoming]
    ) -> None:
        try:
            async for sent in outgoing:
                if isinstance(sent.message, JSONRPCRequest):
                    self._received = self._messages = self._asked = 0
                    self._open.add(sent.message.id)
                await self._send(sent.message.model_dump(by_alias=True, mode="json", exclude_unset=True))
        except (OSError, ServerProblem):
            to_client.close()

    async def _read(self, to_client: MemoryObjectSendStream[Incoming]) -> None:
        async with to_client:
            try:
                async for line in self._lines():
                    if (answer := await self._taken(line)) is not None:
                        await to_client.send(SessionMessage(answer))
            except ServerProblem as problem:
                self.problem = self.problem or str(problem)
            except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass  # it has ended, or nobody listens any more

    async def _taken(self, line: bytes) -> JSONRPCResponse | JSONRPCError | None:
        """The answer to a request of ours in this line."""
        message = _parsed(line)
        if message is None:
            return None  # what programs print beside the protocol
        request = message.get("id")
        if "method" not in message:
            if type(request) is not int or request not in self._open:
                return None
            self._open.discard(request)
            return _answer(message)
        if isinstance(request, str | int):
            self._asked += 1
            if self._asked > MAX_ASKED:
                raise ServerProblem(f"It asked for something more than {MAX_ASKED:,} times.")
            reply = {"result": {}} if message["method"] == "ping" else {"error": NOT_FOUND}
            await self._send({"jsonrpc": "2.0", "id": request, **reply})
        return None

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(UNREAD):
                await self.process.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        except TimeoutError:
            self.problem = self.problem or f"It did not read what it was sent within {UNREAD:.0f} seconds."
            raise ServerProblem(self.problem) from None

    async def _lines(self) -> AsyncIterator[bytes]:
        buffer, looked = bytearray(), 0
        while True:
            place = buffer.find(b"\n", looked)
            if place >= 0:
                self._messages += 1
                if self._messages > MAX_MESSAGES:
                    raise ServerProblem(f"It sent more than {MAX_MESSAGES:,} messages without an answer.")
                yield bytes(buffer[:place])
                del buffer[: place + 1]
                looked = 0
                continue
            looked = len(buffer)
            if looked > MAX_LINE:
                raise ServerProblem(f"It sent a message of more than {MAX_LINE >> 20} MB.")
            data = await self.process.read(READ)
            if not data:
                return
            self._received += len(data)
            if self._received > MAX_RECEIVED:
                raise ServerProblem(f"It sent more than {MAX_RECEIVED >> 20} MB without an answer.")
            buffer += data
            await asyncio.sleep(0)  # who floods us holds nobody else up


def _parsed(line: bytes) -> dict[str, Any] | None:
    """None: it is no message. Raises ServerProblem for one that nobody can take."""
    if b'"id"' not in line:
        return None  # it tells something, and nobody asked: not even read, where somebody tells it without an end
    if json_weight(line) > MAX_WEIGHT:
        raise ServerProblem("It sent a message that would take too much memory.")
    try:
        message = json.loads(line)
    except ValueError:
        return None
    except RecursionError:
        raise ServerProblem("It sent a message that is nested too deeply.") from None
    return message if isinstance(message, dict) else None


def _answer(message: dict[str, Any]) -> JSONRPCResponse | JSONRPCError:
    request = message["id"]
    try:
        if message.get("error") is not None:
            return JSONRPCError.model_validate({"jsonrpc": "2.0", "id": request, "error": message["error"]})
        return JSONRPCResponse.model_validate(
            {"jsonrpc": "2.0", "id": request, "result": message.get("result")}
        )
    except ValidationError:
        broken = {"code": -32603, "message": "it answered with what is no answer in its protocol"}
        return JSONRPCError.model_validate({"jsonrpc": "2.0", "id": request, "error": broken})
