"""A program and all that it has started stand still, while somebody looks at what they have done."""

import os
import signal
import time
from contextlib import suppress

from agentbatch.workspace.shell.marks import is_still, members

ROUNDS = 200
"""Looks; a process may begin others until it stands still itself."""
PAUSE = 0.005
"""Seconds between two."""


def freeze(token: str, leader: int) -> None:
    """Returns when all of them stand still. Raises OSError where they do not come to it: they hang in the kernel, or
    one has got away and lets them go on."""
    _tell_group(leader, signal.SIGSTOP)
    ended = frozenset[int]()
    for _ in range(ROUNDS):
        found = members(token, leader)
        moving = [pid for pid in found.pids if not is_still(pid)]
        if not moving and found.settled(ended):
            return
        ended = found.ended
        _tell(moving, signal.SIGSTOP)
        time.sleep(PAUSE)
    raise OSError("What the program has started does not stand still.")


def thaw(token: str, leader: int) -> None:
    _tell_group(leader, signal.SIGCONT)
    _tell(members(token, leader).pids, signal.SIGCONT)


def _tell_group(leader: int, what: signal.Signals) -> None:
    """All that systems without /proc can tell."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, what)


def _tell(pids: "list[int] | set[int]", what: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, what)
