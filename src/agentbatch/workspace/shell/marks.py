"""How processes are found that a command or program has started: by a variable of their environment that they inherit.

Linux only, by /proc: on other systems nothing is found. Without a sandbox a process gets away that has emptied its
environment and whose parents have ended; a pid namespace closes that gap.

As a program of its own it is the guard of an engine: it ends what carries the mark when its input ends, as it does
when the engine is killed. It imports the standard library alone.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

MARK = "AGENTBATCH_COMMAND"
"""Environment variable that marks every process of one command, so that one which left the group is found: the marks of
all that it runs in, parted by colons."""

SWEEPS = 50
"""Rounds of killing marked processes; more than one because they can fork while they are being looked for."""
PAUSE = 0.001
"""Seconds that each round waits longer than the one before: large processes take some time to die."""


def sweep(token: str, leader: int = 0) -> None:
    """Kill every process that carries `token`, and what descends from one or from `leader`, until none is left."""
    for sweeps in range(SWEEPS):
        found = members(token, leader)
        if not found:
            return
        time.sleep(sweeps * PAUSE)
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def members(token: str, leader: int = 0) -> set[int]:
    """The processes that carry `token`, and what descends from one or from `leader`, which may hide its environment; no
    zombies."""
    found = {pid for pid in _processes() if _carries(pid, token.encode())}
    if not found and not leader:
        return found
    family, alive = {*found, leader}, set()
    parents = {}
    for pid in _processes():
        state, parents[pid] = _status(pid)
        if state not in "ZX":
            alive.add(pid)
    grown = 0
    while grown != len(family):
        grown = len(family)
        family |= {pid for pid, parent in parents.items() if parent in family and parent > 1}
    return family & alive


def is_still(pid: int) -> bool:
    """It is stopped, or is over."""
    return _status(pid)[0] in "TtZX"


def _processes() -> Iterator[int]:
    with suppress(FileNotFoundError):
        yield from (int(name) for name in os.listdir("/proc") if name.isdigit())


def _carries(pid: int, token: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return token in file.read()
    except OSError:
        return False  # gone meanwhile, or another user's


def _status(pid: int) -> tuple[str, int]:
    """State and parent."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may hold anything
    except OSError:
        return "X", 0
    return fields[0].decode(), int(fields[1])


if __name__ == "__main__":
    while os.read(0, 1):
        pass
    sweep(sys.argv[1])
