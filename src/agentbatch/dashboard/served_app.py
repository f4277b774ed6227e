"""The process behind one browser tab: started from an argv, and always ended with its whole process group."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from agentbatch.cancellation import to_the_end
from agentbatch.dashboard import die_with_parent
from agentbatch.dashboard.packets import Packet, encode, is_exit, read_packet, wait_until_ready
from agentbatch.text import clip

EXIT_TIMEOUT = 3.0
"""Seconds for an app that has announced its exit or closed its output."""
TERM_TIMEOUT = 2.0
"""Seconds from SIGTERM to SIGKILL. Textual exits at SIGTERM; an app that is not ready yet dies at once."""
KILL_TIMEOUT = 5.0
"""Seconds to wait for a killed process; if it takes longer, it hangs in the kernel."""
MAX_UNREAD = 1024**2
"""Bytes of input that may be buffered for an app that does not read."""
MAX_STDERR = 4096
"""Last bytes of the app's stderr that are kept."""


class ServedApp:
    """One running app. Callers of `start` call `end` in a `finally`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr = b""
        self._stderr_reader = asyncio.ensure_future(self._read_stderr())

    @classmethod
    async def start(cls, argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> "ServedApp":
        """Start the command in its own session and process group. Raises OSError."""
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(die_with_parent.__file__), str(os.getpid()), *argv),
                cwd=cwd,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        )

    async def output(self) -> AsyncGenerator[bytes, None]:
        """The app's terminal output, until it ends or announces its end. Raises ProtocolError."""
        stream = self._process.stdout
        assert stream is not None
        if not await wait_until_ready(stream):
            return
        while (packet := await read_packet(stream)) is not None:
            if packet.kind == b"D":
                yield packet.payload
            elif is_exit(packet):
                return

    def send_input(self, packet: Packet) -> bool:
        """Send a packet without waiting. False: the app no longer reads."""
        stdin = self._process.stdin
        assert stdin is not None
        if stdin.transport.get_write_buffer_size() > MAX_UNREAD:
            return False
        stdin.write(encode(packet))
        return True

    async def wait_for_exit(self) -> str:
        """Give an app without output the time to end by itself; returns how it ended, as a sentence."""
        await self._within(EXIT_TIMEOUT)
        await asyncio.wait({self._stderr_reader}, timeout=1.0)
        return describe_exit(self._process.returncode, self._stderr.decode("utf-8", "replace"))

    async def end(self) -> None:
        """End the app and its group; returns when no process is left. May be called again."""
        await to_the_end(self._end())

    async def _end(self) -> None:
        drain = asyncio.ensure_future(self._drain())
        try:
            if self._process.returncode is None:
                self._signal(signal.SIGTERM)
                await self._within(TERM_TIMEOUT)
            # Even if the app itself has ended: its group may have outlived it.
            self._signal(signal.SIGKILL)
            await self._within(KILL_TIMEOUT)
        finally:
            for task in (drain, self._stderr_reader):
                task.cancel()
            await asyncio.wait({drain, self._stderr_reader})
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM if only a zombie is left
            os.killpg(self._process.pid, number)

    async def _within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(MAX_STDERR):
            self._stderr = (self._stderr + data)[-MAX_STDERR:]

    async def _drain(self) -> None:
        """Read on: an app blocked on a full pipe cannot end."""
        assert self._process.stdout is not None
        while await self._process.stdout.read(64 * 1024):
            pass


def describe_exit(exit_code: int | None, stderr: str) -> str:
    """A sentence for the page, with the last line of stderr."""
    last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
    why = f": {clip(last.strip(), 300)}" if last else "."
    if exit_code is None:
        return f"The view no longer responds{why}"
    if exit_code < 0:
        return f"The view was killed by signal {-exit_code}{why}"
    if exit_code > 0:
        return f"The view ended with exit code {exit_code}{why}"
    return "The view was closed."
