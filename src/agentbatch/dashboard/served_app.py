"""The process behind one browser tab: started from an argv, and ended with its whole group, whatever happens."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from agentbatch.cancellation import to_the_end
from agentbatch.dashboard import leash
from agentbatch.dashboard.packets import Packet, encode, read_packet, says_exit, wait_until_ready
from agentbatch.text import clip

EXIT_PATIENCE = 3.0
"""Seconds for an app that has said that it ends, or closed its output."""
TERM_PATIENCE = 2.0
"""Seconds from SIGTERM to SIGKILL. Textual ends at SIGTERM; an app that is not ready yet dies of it at once."""
KILL_PATIENCE = 5.0
"""Seconds to wait for a killed process; longer means that it hangs in the kernel."""
MAX_UNREAD = 1024**2
"""Bytes of keys that may wait for an app that does not read."""
MAX_SAID = 4096
"""Bytes of the app's stderr that are kept, the last ones."""


class ServedApp:
    """One running app. Whoever starts one calls `end` in a `finally`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = b""
        self._listening = asyncio.ensure_future(self._listen())

    @classmethod
    async def start(cls, argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> "ServedApp":
        """Start the command in a session and group of its own. Raises OSError."""
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()), *argv),
                cwd=cwd,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        )

    async def screen(self) -> AsyncGenerator[bytes, None]:
        """What the app writes to its terminal, until it ends or says that it will. Raises GarbledError."""
        stream = self._process.stdout
        assert stream is not None
        if not await wait_until_ready(stream):
            return
        while (packet := await read_packet(stream)) is not None:
            if packet.kind == b"D":
                yield packet.payload
            elif says_exit(packet):
                return

    def send_input(self, packet: Packet) -> bool:
        """Hand a packet on, without waiting. False: the app does not read any more."""
        stdin = self._process.stdin
        assert stdin is not None
        if stdin.transport.get_write_buffer_size() > MAX_UNREAD:
            return False
        stdin.write(encode(packet))
        return True

    async def leave(self) -> str:
        """Give an app that has stopped talking the time to end by itself; returns how it ended, as a sentence."""
        await self._within(EXIT_PATIENCE)
        await asyncio.wait({self._listening}, timeout=1.0)
        return how_it_ended(self._process.returncode, self._said.decode("utf-8", "replace"))

    async def end(self) -> None:
        """End the app with its group; returns when nothing of it is left. May be called again."""
        await to_the_end(self._end())

    async def _end(self) -> None:
        drain = asyncio.ensure_future(self._drain())
        try:
            if self._process.returncode is None:
                self._signal(signal.SIGTERM)
                await self._within(TERM_PATIENCE)
            # Also when the app itself is gone: its group may have outlived it.
            self._signal(signal.SIGKILL)
            await self._within(KILL_PATIENCE)
        finally:
            for task in (drain, self._listening):
                task.cancel()
            await asyncio.wait({drain, self._listening})
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM where only a zombie is
            os.killpg(self._process.pid, number)

    async def _within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(MAX_SAID):
            self._said = (self._said + data)[-MAX_SAID:]

    async def _drain(self) -> None:
        """An app that waits for room in its pipe cannot end."""
        assert self._process.stdout is not None
        while await self._process.stdout.read(64 * 1024):
            pass


def how_it_ended(exit_code: int | None, said: str) -> str:
    """A sentence for the page. `said`: what the process wrote to stderr."""
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    why = f" It said: {clip(last.strip(), 300)}" if last else ""
    if exit_code is None:
        return f"The view does not answer any more.{why}"
    if exit_code < 0:
        return f"The view was killed by signal {-exit_code}.{why}"
    if exit_code > 0:
        return f"The view ended with exit code {exit_code}.{why}"
    return "The view was closed."
