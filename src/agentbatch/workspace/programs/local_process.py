"""A program on this machine that is talked with: its pipes, read and written as the other side can take it."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from agentbatch.cancellation import to_the_end
from agentbatch.redaction import Redactor
from agentbatch.workspace.programs.error_tail import ErrorTail
from agentbatch.workspace.programs.freezing import freeze, thaw
from agentbatch.workspace.programs.relay import Relay
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.processes import BEGUN, CHUNK, KILL_PATIENCE, MarkedProcess, NotBegun

ERRORS_AT_ONCE = 16
"""Chunks of errors that are read without a pause."""
PAUSE = 0.02
"""Seconds between chunks of more: who floods its errors is held to 3 MB a second, and costs next to nothing."""

PIPE = 1024 * 1024
"""Bytes that a pipe holds at most, by /proc/sys/fs/pipe-max-size as Linux has it."""


class Apart(Protocol):
    """Where a program and all that it starts are by themselves."""

    async def end(self) -> None:
        """All of them have ended. Safe to repeat."""
        ...

    async def freeze(self) -> None:
        """Raises OSError where they do not stand still."""
        ...

    async def thaw(self) -> None: ...


class LocalProcess:
    """See `Process` for the protocol. `stop` is called for every one."""

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        redact: Redactor,
        relay: Relay | None,
        apart: Apart | None = None,
        passed: Sequence[int] = (),
        guard: Guard | None = None,
    ) -> None:
        """Start what prints BEGUN before it runs (`announced`); `begin` follows. `relay`: its way to a port of this
        machine, `apart`: where it is by itself; both end with the program. `passed`: handles that it keeps;
        `guard`: who starts it. Raises OSError."""
        self._relay = relay
        self._apart = apart
        passed = passed if relay is None or relay.is_open else (*passed, relay.handle)
        pipe = subprocess.PIPE
        self._process = MarkedProcess(
            argv, cwd, env, stdin=pipe, stdout=pipe, stderr=pipe, passed=passed, guard=guard
        )
        streams = self._process.streams
        self._stdin, self._stdout, self._stderr = (stream for stream in streams if stream is not None)
        for stream in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(stream.fileno(), False)
        self._reading, self._writing = asyncio.Lock(), asyncio.Lock()
        self._gone = False
        """It and all that it started have ended, or nobody waits for them any more."""
        self._late = {self._stdout: PIPE, self._stderr: PIPE}
        self._stopped = asyncio.Event()
        self._waiting: set[asyncio.Event] = set()
        self._tail = ErrorTail(redact)
        self._over = asyncio.ensure_future(self._follow())
        self._drain = asyncio.ensure_future(self._drain_errors())

    async def begin(self) -> None:
        """Once: returns when its walls stand and it can reach what it may. Raises NotBegun."""
        reached = self._relay is None or await self._relay.listen()
        if not reached or not await self._announced():
            await self.wait()
            await asyncio.wait({self._drain})
            raise NotBegun(
                f"The program was not started: {self.errors.strip() or 'its walls could not be built'}"
            )

    @property
    def over(self) -> bool:
        """It has been stopped."""
        return self._stdout.closed

    async def write(self, data: bytes) -> None:
        async with self._writing:
            rest = memoryview(data)
            while rest:
                if self._gone or self._stdin.closed:
                    raise BrokenPipeError("the program takes no input any more")
                try:
                    rest = rest[os.write(self._stdin.fileno(), rest[:CHUNK]) :]
                except BlockingIOError:
                    loop = asyncio.get_running_loop()
                    await self._ready(self._stdin.fileno(), loop.add_writer, loop.remove_writer)

    async def close_input(self) -> None:
        async with self._writing:
            self._stdin.close()

    async def read(self, limit: int = CHUNK) -> bytes:
        async with self._reading:
            return await self._next(self._stdout, limit)

    async def wait(self) -> int:
        await asyncio.wait({self._over})
        await asyncio.wait({self._drain}, timeout=KILL_PATIENCE)  # its last words
        code = self._process.exit_code
        return 128 + signal.SIGKILL if code is None else code

    async def stop(self, why: str = "") -> None:
        """`why`: what its errors end with."""
        if not self.over:
            await to_the_end(self._stop(why))

    @property
    def errors(self) -> str:
        return self._tail.text

    async def freeze(self) -> None:
        if self._apart is not None:
            await self._apart.freeze()
        elif not self._over.done():
            await asyncio.to_thread(freeze, self._process.token, self._process.pid)

    async def thaw(self) -> None:
        if self._apart is not None:
            await self._apart.thaw()
        elif not self._over.done():
            await asyncio.to_thread(thaw, self._process.token, self._process.pid)

    async def _announced(self) -> bool:
        while told := await self.read(1):
            if told == BEGUN:
                return True
        return False

    async def _stop(self, why: str) -> None:
        self._stopped.set()
        await asyncio.wait({self._over})
        await asyncio.wait({self._drain})
        if why:
            self._tail.feed(f"\n{why}\n".encode())
        if self._relay is not None:
            await self._relay.close()
        async with self._reading, self._writing:
            for stream in (self._stdin, self._stdout, self._stderr):
                stream.close()

    async def _follow(self) -> None:
        """To its end, and to that of all that it has started."""
        ends = [asyncio.ensure_future(way) for way in (self._process.exited(), self._stopped.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await to_the_end(self._end())
            self._gone = True
            for event in self._waiting:
                event.set()

    async def _end(self) -> None:
        if self._apart is not None:
            await self._apart.end()
        await self._process.end_family()

    async def _drain_errors(self) -> None:
        chunks = 0
        with suppress(OSError):
            while data := await self._next(self._stderr, CHUNK):
                self._tail.feed(data)
                chunks += 1
                if chunks > ERRORS_AT_ONCE and not self._gone:
                    await asyncio.sleep(PAUSE)

    async def _next(self, stream: IO[bytes], limit: int) -> bytes:
        loop = asyncio.get_running_loop()
        while not stream.closed:
            gone = self._gone  # before the look: what was printed until then is read
            if gone:  # somebody who is not to be found may have it open still
                limit = min(limit, self._late[stream])
                self._late[stream] -= limit
            try:
                return os.read(stream.fileno(), limit)
            except BlockingIOError:
                if gone:
                    return b""
            await self._ready(stream.fileno(), loop.add_reader, loop.remove_reader)
        return b""

    async def _ready(
        self, handle: int, add: Callable[[int, Callable[[], None]], None], remove: Callable[[int], bool]
    ) -> None:
        """Returns when something can be done with the handle, or the program is gone."""
        event = asyncio.Event()
        self._waiting.add(event)
        add(handle, event.set)
        try:
            await event.wait()
        finally:
            remove(handle)
            self._waiting.discard(event)
