"""What the commands of one task may take together: memory, processors, processes.

A control group holds all of them together, whatever they start, where this user may make one: anywhere for root, below
the groups of a session manager (`systemd-run --user --scope`, most desktop terminals), with `Delegate=yes`. Elsewhere
limits of the shell do, which each process has for itself, and processors are counted out. Of Linux's two kinds, version
2 is one tree with all controllers that the parent hands down (`cgroup.subtree_control`), version 1 a tree for each
(kernel documentation, admin-guide/cgroup-v2 and cgroup-v1).
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.text import list_names
from agentbatch.workspace.workspace import Limits

Controller = Literal["memory", "cpu", "pids"]

SYSTEM = "/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin"
"""Where programs are looked for that run outside of the sandbox, under a task's variables."""

PREFIX = "agentbatch-"
MARKED = 16
"""Signs of a run's mark in the names of its groups."""

PERIOD = 100_000
"""Microseconds in which a group may use its share of the processors; the kernel's own choice."""
PATIENCE = 2.0
"""Seconds until the kernel has let go of a group whose processes were killed."""

FILES: dict[tuple[int, Controller], tuple[str, ...]] = {
    (2, "memory"): ("memory.max", "memory.swap.max"),
    (2, "cpu"): ("cpu.max",),
    (2, "pids"): ("pids.max",),
    (1, "memory"): ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    (1, "cpu"): ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
    (1, "pids"): ("pids.max",),
}
"""By version and controller: what is written to. The first has to be there."""


ALL: frozenset[Controller] = frozenset(("memory", "cpu", "pids"))


class Parent(NamedTuple):
    """A control group below which this user may make others."""

    version: int
    path: Path
    controllers: frozenset[Controller]


@lru_cache(maxsize=1)
def parents() -> tuple[Parent, ...]:
    """Those of this machine, found out once; none where there are no control groups, or none that may be changed."""
    try:
        own = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="surrogateescape")
        mounted = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ()
    return tuple(find_parents(own, mounted, _may_make))


def find_parents(own: str, mounted: str, may_make: Callable[[Path, int], frozenset[str]]) -> Iterator[Parent]:
    """`own`: /proc/self/cgroup; `mounted`: /proc/self/mountinfo; `may_make`: the controllers of a group made below a
    path, none where none can be made."""
    for version, names, place, here in _trees(own, mounted):
        # A group that holds processes hands nothing down in version 2; one above it may.
        for group in (here, *here.parents) if version == 2 else (here,):
            found = names & may_make(group, version)
            if found:
                yield Parent(version, group, found)
            if found or group == place:
                break


def _trees(own: str, mounted: str) -> Iterator[tuple[int, frozenset[Controller], Path, Path]]:
    """Version, controllers that may be in it, where it is mounted, and the group in it that is ours."""
    groups = {
        frozenset(names.split(",")): path
        for _, names, path in (line.split(":", 2) for line in own.splitlines())
    }
    for line in mounted.splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            version, names, path = 2, ALL, groups.get(frozenset({""}))
        elif kind == "cgroup":
            version, names = 1, ALL & frozenset(options.split(","))
            path = next((path for held, path in groups.items() if names and names <= held), None)
        else:
            continue
        if path is not None:
            relative = os.path.relpath(path, root)
            yield (
                version,
                names,
                Path(place),
                Path(place) if relative.startswith("..") else Path(place, relative),
            )


def _may_make(place: Path, version: int) -> frozenset[str]:
    if not os.access(place, os.W_OK | os.X_OK) or not os.access(place / "cgroup.procs", os.W_OK):
        return frozenset()
    if version == 1:
        return ALL
    try:
        return frozenset((place / "cgroup.subtree_control").read_text(encoding="ascii").split())
    except OSError:
        return frozenset()


def settings(limits: Limits) -> dict[Controller, tuple[str, ...]]:
    """What is written for the limits that are set, in the order of FILES, in the words of version 2."""
    found: dict[Controller, tuple[str, ...]] = {}
    if limits.memory:
        found["memory"] = (str(limits.memory), "0")
    if limits.cpus:
        found["cpu"] = (f"{max(round(limits.cpus * PERIOD), 1000)} {PERIOD}",)
    if limits.processes:
        found["pids"] = (str(limits.processes),)
    return found


def written(version: int, controller: Controller, values: Sequence[str]) -> list[tuple[str, str]]:
    """File and value, in order."""
    if version == 1 and controller == "cpu":
        values = values[0].split()
    if version == 1 and controller == "memory":
        values = (values[0], values[0])  # memory and swap together: as much as memory alone
    return list(zip(FILES[version, controller], values, strict=True))


def group_name(mark: str, task_id: str) -> str:
    """Of a task's groups: the same in every session of its run, whose `mark` it begins with."""
    return f"{PREFIX}{mark[:MARKED]}-{hashlib.sha256(os.fsencode(task_id)).hexdigest()[:12]}"


def remove_groups(mark: str) -> None:
    """Those that a killed engine of the run has left; its processes have ended."""
    for parent in parents():
        for group in parent.path.glob(f"{PREFIX}{mark[:MARKED]}-*"):
            _remove(group, time.monotonic() + PATIENCE)


def limits_warning(wanted: Iterable[Limits]) -> str:
    """What tasks of the run are not held to together on this machine; empty: all that they ask for is held."""
    each = sorted({word for one in wanted for word in TaskLimits(one, "").by_each})
    if not each:
        return ""
    return (
        f"This machine holds each command's processes one by one, not a task as a whole, to its {list_names(each)}: no "
        "control group can be made here. The remedy is `systemd-run --user --scope agentbatch ...`, or an image."
    )


def groups_of(pid: int) -> list[Path]:
    """The control groups of a process, as far as they are seen from here and are not everybody's."""
    try:
        own = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="surrogateescape")
        mounted = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return []
    return [group for _, _, place, group in _trees(own, mounted) if group != place]


def killed_for_memory(groups: Iterable[Path]) -> int:
    """How many processes so far, in the first of the groups that counts them."""
    for group in groups:
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError, ValueError, StopIteration):
                lines = (group / name).read_text(encoding="ascii").splitlines()
                return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def told_of_memory(limits: Limits) -> str:
    """What is said of a command of which something was killed for it."""
    return f"[killed: together, the task's processes may take {limits.memory / 2**20:,.0f} MB of memory]"


class TaskLimits:
    """The limits of one task in force: from its first command to `close`."""

    def __init__(self, limits: Limits, name: str, available: Sequence[Parent] | None = None) -> None:
        """`name`: of the groups, `group_name`; what a killed engine left of that name is used. `available`: None: this
        machine's. No group is made before it is needed."""
        self._limits = limits
        self._wanted = settings(limits)
        self._name = name
        self._parents: list[Parent] = []
        left = set(self._wanted)
        for parent in parents() if available is None else available:
            if left & parent.controllers:
                self._parents.append(parent)
                left -= parent.controllers
        self._left = frozenset(left)
        """What no group holds."""
        self._made: list[Path] | None = None
        self._killed = 0

    @property
    def by_each(self) -> list[str]:
        """What only holds each process for itself, by its name in a task; empty: all is held together."""
        words = {"memory": "memory", "cpu": "cpus", "pids": "processes"}
        return [word for name, word in words.items() if name in self._left]

    def around(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` within the limits, once they were entered."""
        if not self._wanted:
            return list(argv)
        groups = [str(path) for path in self._made or ()]
        enter = 'for g in "${@:1:N}"; do echo $$ > "$g/cgroup.procs" || exit 126; done; shift N; exec -- "$@"'
        script = "; ".join([*self._shell_limits(), enter.replace("N", str(len(groups)))])
        # It runs outside of the sandbox: `-p` takes neither functions nor BASH_ENV from the task's variables.
        return [_ours("bash"), "-p", "-c", script, "bash", *groups, *argv]

    def _shell_limits(self) -> list[str]:
        limits = []
        if "memory" in self._left:
            limits.append(f"ulimit -v {max(self._limits.memory // 1024, 1)}")
        if "pids" in self._left:
            limits.append(f"ulimit -u {self._limits.processes}")
        if "cpu" in self._left:
            chosen = _some_processors(self._limits.cpus, self._name)
            if chosen:
                limits.append(f"{_ours('taskset')} -p -c {chosen} $$ >/dev/null")
        return limits

    def enter(self) -> None:
        """Before each command: the groups are there. Raises OSError where they cannot be made."""
        if self._made is not None:
            return
        self._made = []
        for parent in self._parents:
            group = parent.path / self._name
            group.mkdir(exist_ok=True)
            self._made.append(group)
            for controller in sorted(self._wanted.keys() & parent.controllers):
                first, *others = written(parent.version, controller, self._wanted[controller])
                (group / first[0]).write_text(first[1], encoding="ascii")
                for name, value in others:
                    with suppress(OSError):  # swap is not everywhere
                        (group / name).write_text(value, encoding="ascii")

    def leave(self) -> str:
        """After each command: what was done to it, a sentence; empty: nothing."""
        killed, self._killed = self._killed, killed_for_memory(self._made or ())
        return told_of_memory(self._limits) if self._killed > killed else ""

    def close(self) -> None:
        """The groups go; their processes have ended, or are ended where the kernel does that."""
        made, self._made = self._made or [], None
        for group in reversed(made):
            _remove(group, time.monotonic() + PATIENCE)


def _remove(group: Path, until: float) -> None:
    """Version 2 ends what is still in it."""
    with suppress(OSError):
        (group / "cgroup.kill").write_text("1", encoding="ascii")
    while time.monotonic() < until:
        try:
            group.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)


def _ours(program: str) -> str:
    """PATH is the task's, and may lead into its directory."""
    return shutil.which(program, path=SYSTEM) or f"/usr/bin/{program}"


def _some_processors(cpus: float, name: str) -> str:
    """As `taskset` takes them: another choice for each task; empty: all of them, or they are not known."""
    if not hasattr(os, "sched_getaffinity"):
        return ""
    all_of_them = sorted(os.sched_getaffinity(0))
    count = max(1, -(-round(cpus * 1000) // 1000))
    if count >= len(all_of_them):
        return ""
    first = int(name.rpartition("-")[2], 16) % len(all_of_them)
    return ",".join(str(all_of_them[(first + place) % len(all_of_them)]) for place in range(count))
