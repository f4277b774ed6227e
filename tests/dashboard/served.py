"""A dashboard of any command as a process: `python served.py MAX_TABS ARGV...` prints its address and serves."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from yarl import URL

from agentbatch.dashboard.access import Access
from agentbatch.dashboard.address import listen
from agentbatch.dashboard.server import TabApp, serve

PATIENCE = 300.0
"""Seconds, as in tests/support/waiting.py, which a program of its own does not find."""
MARK = "AGENTBATCH_COMMAND"
PLAIN = {"": "<title>plain</title>"}

SMALL_APP = [sys.executable, "-P", str(Path(__file__).with_name("small_app.py"))]


@dataclass
class Running:
    """A dashboard under way."""

    process: subprocess.Popen[str]
    address: URL
    """With its token."""
    mark: str

    @property
    def origin(self) -> str:
        return f"http://{self.address.authority}"

    def processes(self) -> set[int]:
        """All living ones of this dashboard but the server itself."""
        return {pid for pid in marked(self.mark) if pid != self.process.pid}

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def marked(mark: str) -> set[int]:
    """Processes with the mark in their environment. A zombie has no environment any more."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue
    return found


@contextmanager
def running(
    words: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Start a dashboard by the words behind `python`; the address is the first one that it prints."""
    mark = f"dashboard-{uuid4().hex}"
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, **(environment or {}), MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Running(process, _address(process), mark)
    finally:
        process.kill()
        process.communicate()
        for pid in marked(mark):
            os.kill(pid, signal.SIGKILL)


def small_dashboard(argv: Sequence[str] = SMALL_APP, max_tabs: int = 20) -> list[str]:
    return ["-P", __file__, str(max_tabs), *argv]


def _address(process: subprocess.Popen[str]) -> URL:
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(r"http://\S+", line):
            return URL(match[0])
    _, said = process.communicate()
    raise AssertionError(f"no address: {said}")


async def gone(dashboard: Running) -> bool:
    """Wait until no process of a tab is left."""
    try:
        async with asyncio.timeout(PATIENCE):
            while dashboard.processes():
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


def main(max_tabs: str, *argv: str) -> None:
    place = listen("127.0.0.1", 0)
    access = Access(place.names)
    served = TabApp(argv, Path.cwd(), os.environ, "Small <app>", PLAIN.get, int(max_tabs))
    asyncio.run(
        serve(served, access, place.socket, lambda: print(place.url(access.token), flush=True))  # noqa: T201
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
