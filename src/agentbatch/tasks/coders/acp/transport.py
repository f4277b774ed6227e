"""Messages to and from an agent's program: JSON-RPC, one message a line, over its input and output.

The package's own transport holds what comes without a bound and starts a task for each message; an agent is not trusted
so far. Here a message is read, and what asks for something is answered, before the next one is looked at: who does not
read our answers is not read either.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from agentbatch.files import json_weight
from agentbatch.tasks.coders.external.limits import MAX_WEIGHT
from agentbatch.workspace.workspace import Process

MAX_MESSAGE = 16 << 20
"""Bytes of one message. An update that is longer is left out; anything else so long ends the connection."""
READ = 256 << 10
"""Bytes that are taken at once."""
HEAD = 4096
"""Bytes of a message that is too long, in which its method is looked for."""
UPDATE = b'"session/update"'

Serve = Callable[[str, Mapping[str, Any], bool], Mapping[str, Any]]
"""Method, parameters, whether an answer is wanted: the `result`, or `error`, of the answer."""


class ProcessTransport:
    """What `acp.connection.Connection` takes as its transport."""

    def __init__(
        self,
        process: Process,
        serve: Serve,
        hear: Callable[[int, int], None],
        *,
        unread: float,
    ) -> None:
        """`hear` is told how many bytes have come, and how many messages end in them, whenever some have. `unread`:
        seconds that it may leave a message of ours unread."""
        self._process = process
        self._hear = hear
        self._serve = serve
        self._limit = MAX_MESSAGE
        self._unread = unread
        self._buffer = bytearray()
        self._looked = 0
        """Bytes of the buffer in which there is no line end."""
        self._skipping = False
        self._writing = asyncio.Lock()
        self.over = False
        """Nothing comes any more."""
        self.problem = ""
        """Why the connection ended, when it was not by the program's own end; a sentence."""

    async def send(self, message: Mapping[str, Any]) -> None:
        """Raises OSError where the program is gone, or does not read."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        try:
            async with self._writing, asyncio.timeout(self._unread):
                await self._process.write(line)
        except TimeoutError:
            self.end(f"It did not read what it was told within {self._unread:.0f} seconds.")
            raise BrokenPipeError(self.problem) from None  # half a message has gone out

    async def receive(self) -> dict[str, Any] | None:
        """The next answer to a request of ours; None: there will be none. Never raises: whoever calls writes to a
        log of its own what does. What comes behind an answer is read when the answer has been taken."""
        await asyncio.sleep(0)
        while not self.problem and (line := await self._line()) is not None:
            message = parsed(line)
            if message is None:
                continue  # what programs print beside the protocol
            if not isinstance(message.get("method"), str):
                if (answer := _as_answer(message)) is not None:
                    return answer
                continue
            params = message.get("params")
            wanted = isinstance(message.get("id"), str | int)
            reply = self._serve(message["method"], params if isinstance(params, dict) else {}, wanted)
            if wanted and not await self._answered(message["id"], reply):
                break
        self.over = True
        return None

    def end(self, problem: str) -> None:
        """Nothing more is read, for this reason."""
        self.problem = self.problem or problem

    async def close(self) -> None:
        """The process is ended by whoever opened it."""

    async def _answered(self, request: str | int, answer: Mapping[str, Any]) -> bool:
        try:
            await self.send({"jsonrpc": "2.0", "id": request, **answer})
        except OSError:
            return False
        return True

    async def _line(self) -> bytes | None:
        """The next line that is not too long; None at the end of output."""
        while True:
            place = self._buffer.find(b"\n", self._looked)
            if place >= 0:
                line = bytes(self._buffer[:place])
                del self._buffer[: place + 1]
                self._looked = 0
                if not self._skipping:
                    return line
                self._skipping = False
                continue
            self._looked = len(self._buffer)
            if self._looked > self._limit and not self._skip():
                return None
            try:
                data = await self._process.read(READ)
            except OSError:
                data = b""
            if data:
                self._hear(len(data), data.count(b"\n"))
            if not data or self.problem:
                return None
            self._buffer += data
            await asyncio.sleep(0)  # who floods us holds nobody else up

    def _skip(self) -> bool:
        """Forget the beginning of a line that is too long; False: it was needed."""
        if not self._skipping and UPDATE not in self._buffer[:HEAD]:
            self.problem = f"It sent a message of more than {self._limit >> 20} MB."
            return False
        self._skipping = True
        self._buffer.clear()
        self._looked = 0
        return True


def parsed(line: bytes) -> dict[str, Any] | None:
    """None: it is no message, or would take too much memory. Pure."""
    if json_weight(line) > MAX_WEIGHT:
        return None
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _as_answer(message: dict[str, Any]) -> dict[str, Any] | None:
    """In the form that the package reads without a question; None: it answers nothing of ours."""
    request, error = message.get("id"), message.get("error")
    if type(request) is not int:
        return None
    if error is None:
        return {"id": request, "result": message.get("result")}
    problem = error if isinstance(error, dict) else {"message": str(error)[:1000]}
    code = problem.get("code")
    return {
        "id": request,
        "error": {
            "code": code if type(code) is int else -32603,
            "message": str(problem.get("message", ""))[:1000],
            "data": problem.get("data"),
        },
    }
