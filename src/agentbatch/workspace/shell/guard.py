"""Who starts a run's processes where no sandbox ends them, and ends them with all that they start, also when the engine
is killed: a process of its own (`guarding.py`), and what the engine sees of it."""

import asyncio
import marshal
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from agentbatch.workspace.shell import guarding
from agentbatch.workspace.shell.marks import MARK

PATIENCE = 10.0
"""Seconds for the guard to start a process. One that takes longer was stopped by somebody."""
AVAILABLE = sys.platform == "linux"
"""Subreapers are Linux's."""


class Guard:
    """At work from the first start to its close; an engine that is killed closes it too."""

    def __init__(self, mark: str, environ: Mapping[str, str]) -> None:
        """`mark`: what all processes of this session carry, and no other's. `environ`: the engine's variables."""
        self.mark = mark
        self._env = {name: environ[name] for name in ("PATH", MARK) if name in environ}
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def start(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], handles: Sequence[int]
    ) -> "GuardedProcess":
        """A process in a session of its own. `handles`: its input, its output, its errors. Raises OSError."""
        line, own = socket.socketpair(type=socket.SOCK_SEQPACKET)
        with own:
            line.settimeout(PATIENCE)
            try:
                given = marshal.dumps(([*map(os.fsencode, argv)], os.fsencode(cwd), _encoded(env)))
                way = self._way()
                socket.send_fds(way, [len(given).to_bytes(guarding.HEADER, "big")], [own.fileno(), *handles])
                way.sendall(given)
                own.close()
                told = line.recv(65536)
                if not told:
                    raise OSError("The guard of the run's processes has been ended.")
            except OSError:
                line.close()
                self._lose()
                raise
        if told[:1] == guarding.FAILED:
            line.close()
            number, place = marshal.loads(told[1:])
            raise OSError(number, os.strerror(number), os.fsdecode(place) if place else None)
        return GuardedProcess(self, line, told[1:])

    def close(self) -> None:
        """Returns when whatever was left of the run has ended."""
        process, self._process = self._process, None
        line, self._line = self._line, None
        if line is not None:
            with suppress(OSError):
                line.sendall(guarding.DISMISSED)
            line.close()
        if process is not None:
            process.wait()

    def _way(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._lose()
        if self._line is None:
            self._line, theirs = socket.socketpair()
            self._line.settimeout(PATIENCE)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", guarding.__file__, self.mark],
                    env=self._env,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    start_new_session=True,
                )
        return self._line

    def _lose(self) -> None:
        """It does not answer, or is not there: somebody whom it guards has seen to that."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        if self._line is not None:
            self._line.close()
            self._line = None


class GuardedProcess:
    """One that the guard has started. Whoever starts one calls `end`."""

    def __init__(self, guard: Guard, line: socket.socket, told: bytes) -> None:
        """`guard`: it goes on as long as this is there. `told`: what came behind that it has started."""
        line.setblocking(False)
        self._guard = guard
        self._line = line
        self.pid: int = marshal.loads(told)
        self.returncode: int | None = None
        """As subprocess.Popen has it."""
        self.lost = False
        """The guard was ended before it: nobody can tell."""
        self._reading = asyncio.Lock()
        self._over = False

    async def exited(self) -> None:
        """Returns when it has ended, or nobody can tell any more."""
        async with self._reading:
            if self.returncode is None and not self.lost:
                await self._hear()

    async def end(self) -> None:
        """Returns when it has ended, and all that it has started."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_WR)
        async with self._reading:
            while not self._over:
                await self._hear()
        self._line.close()

    async def _hear(self) -> None:
        try:
            told = await asyncio.get_running_loop().sock_recv(self._line, 4096)
        except OSError:
            told = b""
        if told[:1] == guarding.EXITED:
            self.returncode = marshal.loads(told[1:])
        elif not told:
            self._over = True
            self.lost = self.returncode is None
            if self.lost:
                self.returncode = -signal.SIGKILL


def _encoded(env: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
