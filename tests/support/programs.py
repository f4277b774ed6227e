"""Programs that are opened in tests: small Python ones, and all that one of them prints."""

import os
import time
from pathlib import Path
from typing import Any

from agentbatch.workspace.workspace import Process, Program
from tests.support.waiting import PATIENCE


def python(script: str, *more: str, **given: Any) -> Program:
    return Program(("python3", "-c", script, *more), home="agent", **given)


async def everything(process: Process) -> bytes:
    """What it prints until its end."""
    parts = []
    while part := await process.read():
        parts.append(part)
    return b"".join(parts)


def alive(word: str) -> list[int]:
    """Processes that are no zombies and have `word` in their command line."""
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and word.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


def wait_until_gone(word: str, seconds: float = PATIENCE) -> list[int]:
    """Those that are still there after that time."""
    deadline = time.monotonic() + seconds
    while (left := alive(word)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def standing_in(folder: Path) -> list[int]:
    """Processes that stand in the folder, but for those that only wait to be reaped."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                place = os.readlink(entry / "cwd")
            except OSError:
                continue
            if place.startswith(str(folder)) and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


DAEMON = """
import os, sys
def daemon(word):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("python3", ["python3", "-c", "import time; time.sleep(600)", word])
        os._exit(0)
    os.wait()
"""
"""Defines `daemon(word)`, which leaves a process that has forked twice and is in a session of its own."""
