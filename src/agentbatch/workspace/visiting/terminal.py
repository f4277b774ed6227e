"""A person's terminal, lent to a program inside walls: it gets one of its own, so that nothing in there can type into
the person's, resized with that, and everything is passed on as it comes."""

import asyncio
import fcntl
import os
import signal
import sys
import termios
import tty
from contextlib import suppress

from agentbatch.workspace.sandbox.walls import Wrapped

TAKES_TERMINAL = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Its session's terminal is then the one that it was given, without which there is no job control."""
AT_ONCE = 64 * 1024
HANGS = 5.0
"""Seconds from hanging up to killing."""


async def attend(wrapped: Wrapped, cwd: str) -> int:
    """Run it in this process's terminal, or with its standard streams where there is none. Returns its exit code,
    128 + n where it died of signal n. Raises OSError."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        process = await asyncio.create_subprocess_exec(
            *wrapped.argv, env=wrapped.env, cwd=cwd, pass_fds=wrapped.handles
        )
        return await _ended(process)
    own, its = os.openpty()
    try:
        _copy_size(own)
        words = [sys.executable, "-I", "-S", "-c", TAKES_TERMINAL, *wrapped.argv]
        try:
            process = await asyncio.create_subprocess_exec(
                *words, env=wrapped.env, cwd=cwd, pass_fds=wrapped.handles, start_new_session=True,
                stdin=its, stdout=its, stderr=its,
            )  # fmt: skip
        finally:
            os.close(its)
        return await _pass_on(process, own)
    finally:
        os.close(own)


async def _pass_on(process: asyncio.subprocess.Process, own: int) -> int:
    loop, before = asyncio.get_running_loop(), termios.tcgetattr(0)
    os.set_blocking(own, False)
    writes = _Writer(own)

    def typed() -> None:
        data = os.read(0, AT_ONCE)
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
        while data:
            data = data[os.write(1, data) :]

    tty.setraw(0)
    try:
        loop.add_reader(0, typed)
        loop.add_reader(own, printed)
        loop.add_signal_handler(signal.SIGWINCH, _copy_size, own)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, process.send_signal, signal.SIGHUP)
        code = await _ended(process)
        printed()  # what it said last
        return code
    finally:
        for number in (signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
        loop.remove_reader(0)
        loop.remove_reader(own)
        writes.close()
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


async def _ended(process: asyncio.subprocess.Process) -> int:
    try:
        code = await process.wait()
    except BaseException:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGHUP)
        try:
            async with asyncio.timeout(HANGS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        raise
    return code if code >= 0 else 128 - code


def _copy_size(to: int) -> None:
    with suppress(OSError):
        size = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(to, termios.TIOCSWINSZ, size)
