"""The terminal app in an invisible terminal, with a probe of its event loop's delay.

python -m benchmarks.tui_terminal RUN_FOLDER DELAYS_FILE
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agentbatch.runs.folder import RunFolder
from agentbatch.tui.app import AgentbatchApp
from agentbatch.tui.reading.view import open_view
from agentbatch.tui.screens.run import RunScreen

COLUMNS, LINES = 160, 48

PROBE_EVERY = 0.02
"""Seconds that the probe in the app's event loop sleeps. The excess is the delay."""

TIMEOUT = 60.0
"""Seconds for the app to draw, or to exit."""


class Terminal:
    """A process in its own terminal, whose output is counted and discarded."""

    def __init__(self, command: Sequence[str], awaited: str) -> None:
        """`awaited`: text of the first complete screen."""
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        env.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
        )
        os.close(theirs)
        self._ours = ours
        self._awaited = awaited.encode()
        self._checked = threading.Event()
        self._drawn = False
        self._end = b""
        self.bytes = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # a terminal without a process raises EIO
            while data := os.read(self._ours, 65_536):
                self.bytes += len(data)
                self._end = (self._end + data)[-70_000:]
                if self._awaited in self._end:
                    self._drawn = True
                    self._checked.set()
        self._checked.set()

    def wait_until_drawn(self) -> None:
        """Raises RuntimeError when the app ends or draws nothing."""
        self._checked.wait(TIMEOUT)
        if not self._drawn:
            raise RuntimeError(f"the app has not started: {self._end[-2_000:]!r}")

    def cpu(self) -> float:
        """CPU seconds of the process so far, all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def quit(self) -> None:
        """Press q; a process that does not exit is killed."""
        with contextlib.suppress(OSError):
            os.write(self._ours, b"q")
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)


@contextlib.contextmanager
def app_on(folder: RunFolder, awaited: str, delays: Path) -> Iterator[Terminal]:
    """Run the app on a run until the end of the block; then the file `delays` has its event loop's delays."""
    command = [sys.executable, "-m", "benchmarks.tui_terminal", str(folder.path), str(delays)]
    terminal = Terminal(command, awaited)
    try:
        yield terminal
    finally:
        terminal.quit()


class Delay(NamedTuple):
    at: float
    """time.monotonic()"""
    seconds: float
    own: float
    """The part in which the loop's thread was running; the rest is due to other processes."""


class Probe:
    """Measures the delay of the event loop that it is started in."""

    def __init__(self) -> None:
        self.delays: list[Delay] = []

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._measure())

    async def _measure(self) -> None:
        while True:
            before, worked = time.monotonic(), time.thread_time()
            await asyncio.sleep(PROBE_EVERY)
            now = time.monotonic()
            late = now - before - PROBE_EVERY
            self.delays.append(Delay(now, late, min(late, time.thread_time() - worked)))


def run_app(folder: Path, delays: Path) -> None:
    view = open_view(RunFolder(folder))
    probe = Probe()

    def first(app: AgentbatchApp) -> RunScreen:
        probe.start()
        return app.run_screen(view, control=False)

    AgentbatchApp(first).run()
    delays.write_text(json.dumps(probe.delays))


if __name__ == "__main__":
    run_app(*map(Path, sys.argv[1:]))
