"""The processes of a container as this machine sees them, whatever they have done to be overlooked."""

import os
import shutil
import signal
import time
from contextlib import suppress

from agentbatch.workspace.shell.marks import is_still

SWEEPS = 200
"""Rounds of killing; more than one because they can fork while they are being looked for."""
PAUSE = 0.001
"""Seconds that each round waits longer than the one before, up to MAX_PAUSE."""
MAX_PAUSE = 0.02
SYSTEM = "/usr/bin:/usr/sbin:/bin:/sbin"
"""Where programs are looked for that enter a container."""


def inhabitants(first: int) -> set[int] | None:
    """All that run in the pid namespace whose first process is `first`, and in those below it, but that one itself and
    what has ended. None: it cannot be seen from here, or is over."""
    space = _namespace(first)
    if space is None:
        return None
    within, parents = set(), {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (status := _status(int(name))) is not None:
            pid, (state, parents[pid]) = int(name), status
            if state not in "ZX" and _namespace(pid) == space:
                within.add(pid)
    family, grown = within | {first}, 0
    while grown != len(family):
        grown = len(family)
        family |= {pid for pid, parent in parents.items() if parent in family}
    return {pid for pid in family - {first} if (now := _status(pid)) is not None and now[0] not in "ZX"}


def has_first(pid: int, name: str) -> bool:
    """Whether that process of this machine is the first one of the container of that name. It is not where the engine
    runs containers in a machine of its own, as it does on macOS."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return pid > 1 and name.encode() in file.read().split(b"\0")
    except OSError:
        return False


def tell_inhabitants(first: int, what: signal.Signals) -> set[int] | None:
    """Send each the signal; returns who was there. None: nobody can be seen."""
    found = inhabitants(first)
    for pid in found or ():
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, what)
    return found


def end_inhabitants(first: int) -> bool:
    """Kill them until none is left; False: one is, or nobody can be seen."""
    for sweep in range(SWEEPS):
        found = tell_inhabitants(first, signal.SIGKILL)
        if not found:
            return found is not None
        time.sleep(min(sweep * PAUSE, MAX_PAUSE))
    return False


def freeze_inhabitants(first: int) -> None:
    """Returns when all of them stand still. Raises OSError where they do not come to it."""
    for sweep in range(SWEEPS):
        found = tell_inhabitants(first, signal.SIGSTOP)
        if found is None:
            return  # it is over
        if all(is_still(pid) for pid in found) and found == inhabitants(first):
            return
        time.sleep(min(sweep * PAUSE, MAX_PAUSE))
    raise OSError("What the program has started does not stand still.")


def entering(namespaces: str, kind: str) -> list[str] | None:
    """The beginning of a command line that runs a program of this machine in one of a container's `namespaces`
    (/proc/PID/ns); None: there is no nsenter (util-linux)."""
    nsenter = shutil.which("nsenter", path=SYSTEM)
    if nsenter is None:
        return None
    # Without root the container is in a user namespace of ours, in which we may do what root may.
    user = [] if os.geteuid() == 0 else [f"--user={namespaces}/user", "--preserve-credentials"]
    return [nsenter, f"--{kind}={namespaces}/{kind}", *user, "--"]


def _namespace(pid: int) -> int | None:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return None


def _status(pid: int) -> tuple[str, int] | None:
    """Its state, and its parent."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode(), int(fields[1])
