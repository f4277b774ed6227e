"""How processes are found that a command or program has started: by a variable of their environment that they inherit.

Linux only, by /proc: on other systems nothing is found. A process gets away that has emptied its environment and whose
parents have ended; a pid namespace closes that gap, and without one the guard (`guarding.py`).

As a program of its own it ends what carries a mark, once its input has ended. It imports the standard library alone.
"""

import os
import signal
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

MARK = "AGENTBATCH_COMMAND"
"""Environment variable that marks every process of one command, so that one which left the group is found: the marks of
all that it runs in, parted by colons."""

SWEEPS = 50
"""Rounds of killing marked processes; more than one because they can fork while they are being looked for."""
MAX_DOUBTS = 10
"""Rounds in which nothing was found, but somebody may have been overlooked."""
PAUSE = 0.001
"""Seconds that each round waits longer than the one before: large processes take some time to die."""

KERNEL_THREADS = 2
"""Their parent's number."""
ENV_END = 51 - 3
"""Place of a field in /proc/PID/stat after the name (proc_pid_stat(5) counts from 1, the name is 2)."""


class Members(NamedTuple):
    """What was found in one look."""

    pids: set[int]
    """No zombies."""
    ended: frozenset[int]
    """Who has ended, and may have begun another just before that was not looked at."""
    beginning: bool
    """A process was on its way from one program to another, when it shows nothing of its environment."""

    def settled(self, before: frozenset[int]) -> bool:
        """Nobody else is there. `before`: who had ended in the look before."""
        return not self.beginning and self.ended <= before


def sweep(token: str, leader: int = 0) -> None:
    """Kill every process that carries `token`, and what descends from one or from `leader`, until none is left."""
    for sweeps, pids in zip(range(SWEEPS), _until_none(token, leader), strict=False):
        time.sleep(sweeps * PAUSE)
        _tell(pids, signal.SIGKILL)


def ask_to_end(token: str, patience: float) -> None:
    """SIGTERM for every process that carries `token`; returns when all have ended, or after so many seconds."""
    until, asked = time.monotonic() + patience, set[int]()
    for pids in _until_none(token):
        if time.monotonic() > until:
            return
        _tell(pids - asked, signal.SIGTERM)
        asked |= pids
        time.sleep(PAUSE)


def _until_none(token: str, leader: int = 0) -> Iterator[set[int]]:
    """Who is there, look after look, until certainly nobody is."""
    doubts, ended = 0, frozenset[int]()
    while True:
        found = members(token, leader)
        doubts = 0 if found.pids else doubts + 1
        if not found.pids and (found.settled(ended) or doubts > MAX_DOUBTS):
            return
        ended = found.ended
        yield found.pids


def _tell(pids: Collection[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def members(token: str, leader: int = 0) -> Members:
    """The processes that carry `token`, and what descends from one or from `leader`, which may hide its environment."""
    seen: dict[str, set[int]] = {"marked": set(), "ended": set(), "beginning": set(), "other": set()}
    for pid in _processes():
        seen[_look(pid, token.encode())].add(pid)
    marked, ended, beginning = seen["marked"], frozenset(seen["ended"]), bool(seen["beginning"])
    if not marked and not leader:
        return Members(marked, ended, beginning)
    family, alive, parents = {*marked, leader}, set(), {}
    for pid in _processes():
        state, parents[pid], _ = _status(pid)
        if state not in "ZX":
            alive.add(pid)
    grown = 0
    while grown != len(family):
        grown = len(family)
        family |= {pid for pid, parent in parents.items() if parent in family and parent > 1}
    return Members(family & alive, ended | (marked - alive), beginning)


def is_still(pid: int) -> bool:
    """It is stopped, or is over."""
    return _status(pid).state in "TtZX"


def _processes() -> Iterator[int]:
    with suppress(FileNotFoundError):
        yield from (int(name) for name in os.listdir("/proc") if name.isdigit())


def _look(pid: int, token: bytes) -> Literal["marked", "ended", "beginning", "other"]:
    try:
        environ = _environ(pid)
        if not environ:
            status = _status(pid)
            if status.begins or status.state in "ZX":
                return "beginning" if status.begins else "ended"
            environ = _environ(pid)  # it may have begun since the first look
    except PermissionError:
        return "other"  # another user's
    except OSError:
        return "ended"
    return "marked" if token in environ else "other"


def _environ(pid: int) -> bytes:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()


class _Status(NamedTuple):
    state: str
    parent: int
    begins: bool
    """Its program is not laid out yet."""


def _status(pid: int) -> _Status:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # the name before may hold anything
    except OSError:
        return _Status("X", 0, False)
    state, parent = fields[0].decode(), int(fields[1])
    of_the_kernel = parent in (0, KERNEL_THREADS)
    return _Status(state, parent, fields[ENV_END] == b"0" and not of_the_kernel)


if __name__ == "__main__":
    while os.read(0, 1):
        pass
    sweep(sys.argv[1])
