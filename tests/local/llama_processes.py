"""Looking for llama.cpp processes, through /proc."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.support.waiting import PATIENCE


def processes(parent: int) -> set[int]:
    """The llama.cpp processes that `parent` has started. Their numbers begin again: the highest is not the newest."""
    return {
        pid
        for pid, fields, words in _all()
        if int(fields[1]) == parent and b"agentbatch.local.child" in words
    }


def session(pid: int) -> list[int]:
    """Everything that runs in the session of `pid`."""
    return [other for other, fields, _ in _all() if int(fields[3]) == pid and fields[0] != "Z"]


def until(true: Callable[[], object], seconds: float = PATIENCE) -> bool:
    """Wait for it; False when it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


def _all() -> list[tuple[int, list[str], bytes]]:
    """Process id, the fields of `stat` from the state on, and the command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                found.append((int(folder.name), fields, (folder / "cmdline").read_bytes()))
            except OSError:
                continue
    return found
