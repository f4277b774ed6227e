"""A person's terminal, lent to a program inside walls: it gets one of its own, so that nothing in there can type into
the person's, resized with that, and everything is passed on as it comes."""

import asyncio
import fcntl
import os
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from agentbatch.cancellation import to_the_end
from agentbatch.workspace.sandbox.walls import WrappedCommand
from agentbatch.workspace.shell.guard import Guard
from agentbatch.workspace.shell.processes import MarkedProcess

TAKES_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Its session's terminal is then the one that it was given, without which there is no job control."""
AT_ONCE = 64 * 1024
HANGS = 5.0
"""Seconds from hanging up to killing."""


async def attend(wrapped: WrappedCommand, cwd: str, guard: Guard | None) -> int:
    """Run it in this process's terminal, or with its standard streams where there is none. Returns its exit code,
    128 + n where it died of signal n, when all that it has started has ended, too. `guard`: who sees to that where no
    namespace does, also when this process is killed. Raises OSError."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return await _until_left(_start(wrapped, wrapped.argv, cwd, (0, 1, 2), guard), asyncio.Event())
    own, its = os.openpty()
    try:
        _copy_size(own)
        words = [sys.executable, "-I", "-S", "-c", TAKES_TERMINAL, *wrapped.argv]
        try:
            process = _start(wrapped, words, cwd, (its, its, its), guard)
        finally:
            os.close(its)
        return await _pass_on(process, own)
    finally:
        os.close(own)


def _start(
    wrapped: WrappedCommand, argv: Sequence[str], cwd: str, streams: tuple[int, int, int], guard: Guard | None
) -> MarkedProcess:
    stdin, stdout, stderr = streams
    return MarkedProcess(
        argv, Path(cwd), wrapped.env,
        stdin=stdin, stdout=stdout, stderr=stderr, passed=wrapped.handles, guard=guard,
    )  # fmt: skip


async def _pass_on(process: MarkedProcess, own: int) -> int:
    loop, before = asyncio.get_running_loop(), termios.tcgetattr(0)
    os.set_blocking(own, False)
    writes, gone = _Writer(own), asyncio.Event()

    def typed() -> None:
        try:
            data = os.read(0, AT_ONCE)
        except OSError:  # the person's terminal is not there any more
            data = b""
            gone.set()
        if data:
            writes.put(data)
        else:
            loop.remove_reader(0)

    def printed() -> None:
        try:
            data = os.read(own, AT_ONCE)
        except BlockingIOError:
            return
        except OSError:  # nobody has it open any more
            data = b""
        if not data:
            loop.remove_reader(own)
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            gone.set()

    tty.setraw(0)
    try:
        loop.add_reader(0, typed)
        loop.add_reader(own, printed)
        loop.add_signal_handler(signal.SIGWINCH, _copy_size, own)
        code = await _until_left(process, gone)
        printed()  # what it said last
        return code
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        loop.remove_reader(0)
        loop.remove_reader(own)
        writes.close()
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)


class _Writer:
    """What is typed faster than it is read waits."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._waiting = b""

    def put(self, data: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().add_writer(self._to, self._write)
        self._waiting = (self._waiting + data)[-AT_ONCE:]

    def _write(self) -> None:
        with suppress(BlockingIOError):
            try:
                self._waiting = self._waiting[os.write(self._to, self._waiting) :]
            except BlockingIOError:
                raise
            except OSError:  # it has ended
                self._waiting = b""
        if not self._waiting:
            asyncio.get_running_loop().remove_writer(self._to)

    def close(self) -> None:
        asyncio.get_running_loop().remove_writer(self._to)


async def _until_left(process: MarkedProcess, gone: asyncio.Event) -> int:
    """`gone`: is set when nobody is there to leave it."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, gone.set)
    ended, left = asyncio.ensure_future(process.exited()), asyncio.ensure_future(gone.wait())
    try:
        await asyncio.wait({ended, left}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        left.cancel()
        await to_the_end(_hang_up(process, ended))
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
    return process.exit_code or 0


async def _hang_up(process: MarkedProcess, ended: asyncio.Future[None]) -> None:
    """What does not heed it is ended with all the rest."""
    if not ended.done():
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGHUP)
        await asyncio.wait({ended}, timeout=HANGS)
    ended.cancel()
    await process.end(sweeping=False)


def _copy_size(to: int) -> None:
    with suppress(OSError):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(to, termios.TIOCSWINSZ, size)
