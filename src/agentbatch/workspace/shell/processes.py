"""A command as a process group: started, watched, and ended with everything that it started."""

import asyncio
import os
import secrets
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TypeVar

from agentbatch.cancellation import to_the_end
from agentbatch.workspace.shell.guard import AVAILABLE, Guard, GuardedProcess
from agentbatch.workspace.shell.marks import MARK, sweep
from agentbatch.workspace.shell.output import Collector

GRACE = 0.5
"""Seconds that output may still drain after the command has ended."""
KILL_PATIENCE = 5.0
"""Seconds to wait for a killed process; longer means that it hangs in the kernel (a dead network disk)."""
POLL = 0.05
"""Seconds between looks at a process on systems without pidfd (not Linux)."""
BEGUN = b"\x06"
"""What a command's walls, once they stand, print before it runs (`announced`)."""
PAUSES = (0.05, 0.2, 0.5)
"""Seconds before another try where walls could not be built."""
CHUNK = 64 * 1024
"""Bytes a read: what a pipe holds on Linux."""


class NotBegun(OSError):
    """Nothing has run: what it was to run in ended before."""


T = TypeVar("T")


async def until_begun(attempt: Callable[[], Awaitable[T]]) -> T:
    """Again where walls could not be built, as when a folder or a mount of the machine that they are made of went just
    then: such an end must not be taken for that of what was to run. Raises NotBegun."""
    for pause in PAUSES:
        with suppress(NotBegun):
            return await attempt()
        await asyncio.sleep(pause)
    return await attempt()


class MarkedProcess:
    """A process in a session and group of its own, that is ended with everything that it started.

    Whoever starts one calls `end` in a `finally`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        passed: Sequence[int],
        guard: Guard | None,
    ) -> None:
        """Start it. `stdin`, `stdout`, `stderr`: as `subprocess.Popen` takes them; `passed`: handles that it keeps.
        `guard`: who starts it where no pid namespace holds what it starts. Raises OSError."""
        self.token = secrets.token_hex(16)
        marks = f"{env[MARK]}:{self.token}" if MARK in env else self.token
        env = {**env, MARK: marks}
        self.streams: list[IO[bytes] | None]
        self._process: subprocess.Popen[bytes] | GuardedProcess
        if guard is not None and AVAILABLE:
            self._process, self.streams = _guarded(guard, argv, cwd, env, (stdin, stdout, stderr))
            return
        process = self._process = subprocess.Popen(
            argv,
            bufsize=0,
            cwd=cwd,
            env=env,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=passed,
            start_new_session=True,
        )
        self.streams = [process.stdin, process.stdout, process.stderr]

    @property
    def pid(self) -> int:
        return self._process.pid

    async def end(self, sweeping: bool) -> None:
        """Kill whatever is left and reap the process. `sweeping`: look for processes that left the group, too; a pid
        namespace makes it needless."""
        if isinstance(self._process, GuardedProcess):
            await self._end_guarded(self._process)
            return
        # The leader is not reaped yet, so its number cannot belong to another group by now.
        self.kill_group()
        if sweeping:
            await asyncio.to_thread(sweep, self.token)
        await self._reap()

    async def end_family(self) -> None:
        """The same for what may hide its environment: what descends from the process goes first, while that can be
        seen. Returns when it has ended, where `end` with a pid namespace need not wait for all of it."""
        if isinstance(self._process, GuardedProcess):
            await self._end_guarded(self._process)
            return
        await asyncio.to_thread(sweep, self.token, self.pid)
        self.kill_group()
        await self._reap()

    async def _end_guarded(self, process: GuardedProcess) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(KILL_PATIENCE):
                await process.end()
        if process.lost:  # without the guard, by what its descendants carry
            await asyncio.to_thread(sweep, self.token)

    async def _reap(self) -> None:
        try:
            async with asyncio.timeout(KILL_PATIENCE):
                await self.exited()
        except TimeoutError:
            pass  # Popen's own clean-up reaps it when the kernel lets it go
        else:
            assert not isinstance(self._process, GuardedProcess)
            self._process.wait()

    @property
    def exit_code(self) -> int | None:
        """As a shell gives it: 128 + n for a process that died of signal n."""
        code = self._process.returncode
        return 128 - code if code is not None and code < 0 else code

    def kill_group(self) -> None:
        """Only until `end` is over."""
        # Nothing may be left of it; macOS says EPERM where only the zombie is.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def exited(self) -> None:
        """Returns when the process has ended, without reaping it where the system allows."""
        if isinstance(self._process, GuardedProcess):
            await self._process.exited()
            return
        if self._process.returncode is not None:
            return
        if not hasattr(os, "pidfd_open"):
            while self._process.poll() is None:  # noqa: ASYNC110 - there is nothing to be woken by
                await asyncio.sleep(POLL)
            return
        handle = os.pidfd_open(self.pid)
        try:
            await _readable(handle)
        finally:
            os.close(handle)


def _guarded(
    guard: Guard, argv: Sequence[str], cwd: Path, env: Mapping[str, str], wanted: Sequence[int]
) -> tuple[GuardedProcess, list[IO[bytes] | None]]:
    """Started by the guard, with our ends of the pipes that are `wanted`."""
    ours: list[IO[bytes] | None] = []
    theirs: list[int] = []
    made: list[int] = []
    try:
        for place, what in enumerate(wanted):
            if what == subprocess.PIPE:
                read, write = os.pipe()
                made.append(read if place == 0 else write)
                ours.append(os.fdopen(write, "wb", 0) if place == 0 else os.fdopen(read, "rb", 0))
            elif what == subprocess.DEVNULL:
                made.append(os.open(os.devnull, os.O_RDWR))
                ours.append(None)
            else:
                ours.append(None)
            theirs.append(made[-1] if what < 0 else what)
        return guard.start(argv, cwd, env, theirs), ours
    except BaseException:
        for stream in ours:
            if stream is not None:
                stream.close()
        raise
    finally:
        for handle in made:
            os.close(handle)


class CommandProcess:
    """One running command. Whoever starts one calls `end` in a `finally`."""

    def __init__(
        self,
        argv: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        sweep: bool,
        passed: Sequence[int] = (),
        guard: Guard | None = None,
    ) -> None:
        """Start it: no input, both outputs into one pipe. Raises OSError. `sweep`: as for `MarkedProcess.end`;
        `passed`, `guard`: as for `MarkedProcess`."""
        self._sweep = sweep
        self.begun = False
        """Its walls stood, and it ran: BEGUN was read, which is no output of its own."""
        self._read, write = os.pipe()
        try:
            os.set_blocking(self._read, False)
            self._process = MarkedProcess(
                argv,
                cwd,
                env,
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                passed=passed,
                guard=guard,
            )
        except (OSError, ValueError):
            os.close(self._read)
            raise
        finally:
            os.close(write)
        self._drain: asyncio.Task[None] | None = None

    async def watch(self, collector: Collector, timeout: float) -> bool:
        """Collect output until the command exits (True), floods, or `timeout` seconds are over (False)."""
        self._drain = asyncio.ensure_future(self._collect(collector))
        exited = asyncio.ensure_future(self._process.exited())
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wait({exited, self._drain}, return_when=asyncio.FIRST_COMPLETED)
                if not collector.flooded:
                    await exited
        except TimeoutError:
            return False
        finally:
            exited.cancel()
        return not collector.flooded

    async def end(self) -> None:
        """Kill whatever is left, give the output its grace, reap the process, close everything."""
        await self._process.end(self._sweep)
        if self._drain is not None:
            await asyncio.wait({self._drain}, timeout=GRACE)
            self._drain.cancel()
            await asyncio.wait({self._drain})
        if not self.begun:  # who has not been heard of in time has run all the same
            with suppress(BlockingIOError):
                self.begun = BEGUN in os.read(self._read, CHUNK)
        os.close(self._read)

    @property
    def exit_code(self) -> int | None:
        """As `MarkedProcess` gives it."""
        return self._process.exit_code

    async def _collect(self, collector: Collector) -> None:
        """Read until every writer is gone or the flood limit is passed."""
        while not collector.flooded:
            await _readable(self._read)
            try:
                data = os.read(self._read, CHUNK)
            except BlockingIOError:
                continue
            if not data:
                return
            if not self.begun:
                told, mark, output = data.partition(BEGUN)
                self.begun, data = bool(mark), told + output
            if collector.writes_next(len(data)):
                await to_the_end(asyncio.to_thread(collector.feed, data))
            else:
                collector.feed(data)


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(handle, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(handle)
