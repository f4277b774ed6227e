"""What the commands of one task may take together: memory, processors, processes.

A control group holds all of them together, whatever they start, where this user may make one: anywhere for root, below
the groups of a session manager (`systemd-run --user --scope`, most desktop terminals), with `Delegate=yes`. Elsewhere
limits of the shell do, which each process has for itself, and processors are counted out. Of Linux's two kinds, version
2 is one tree with all controllers that the parent hands down (`cgroup.subtree_control`), version 1 a tree for each
(kernel documentation, admin-guide/cgroup-v2 and cgroup-v1).
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from agentbatch.workspace.workspace import Limits

Controller = Literal["memory", "cpu", "pids"]

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
    (1, "cpu"): ("cpu.cfs_period_us", "cpu.cfs_quota_us"),
    (1, "pids"): ("pids.max",),
}
"""By version and controller: what is written to. The first of memory's has to be there, swap is not everywhere."""


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
    groups = {
        frozenset(filter(None, names.split(","))): path
        for _, names, path in (line.split(":", 2) for line in own.splitlines())
    }
    wanted: frozenset[Controller] = frozenset(("memory", "cpu", "pids"))
    for line in mounted.splitlines():
        before, _, after = line.partition(" - ")
        root, place = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        version = 2 if kind == "cgroup2" else 1
        named = frozenset(options.split(",")) if version == 1 else frozenset[str]()
        for names, path in groups.items():
            if names != (names & named if version == 1 else frozenset()) or (version == 1 and not names):
                continue
            relative = os.path.relpath(path, root)
            here = Path(place) if relative.startswith("..") else Path(place, relative)
            # A group that holds processes hands nothing down in version 2; one above it may.
            for above in (here, *here.parents) if version == 2 else (here,):
                found = wanted & (
                    may_make(above, version) if version == 2 else names & may_make(above, version)
                )
                if found:
                    yield Parent(version, above, found)
                    break
                if above == Path(place):
                    break


def _may_make(place: Path, version: int) -> frozenset[str]:
    if not os.access(place, os.W_OK | os.X_OK) or not os.access(place / "cgroup.procs", os.W_OK):
        return frozenset()
    if version == 1:
        return frozenset(("memory", "cpu", "pids"))
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
        quota, period = values[0].split()
        values = (period, quota)
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

    @property
    def by_each(self) -> str:
        """What only holds each process for itself, or not at all, in words; empty: all is held together."""
        words = {"memory": "memory", "cpu": "cpus", "pids": "processes"}
        return ", ".join(words[name] for name in ("memory", "cpu", "pids") if name in self._left)

    def around(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs `argv` within the limits. Raises OSError where a group cannot be made."""
        if not self._wanted:
            return list(argv)
        script = [
            *self._shell_limits(),
            'for g in "${@:1:N}"; do echo $$ > "$g/cgroup.procs" || exit 126; done',
        ]
        groups = [str(path) for path in self._groups()]
        text = "; ".join([*script, 'shift N; exec -- "$@"']).replace("N", str(len(groups)))
        return ["bash", "-c", text, "bash", *groups, *argv]

    def _shell_limits(self) -> list[str]:
        limits = []
        if "memory" in self._left:
            limits.append(f"ulimit -v {max(self._limits.memory // 1024, 1)}")
        if "pids" in self._left:
            limits.append(f"ulimit -u {self._limits.processes}")
        if "cpu" in self._left:
            chosen = _some_processors(self._limits.cpus, self._name)
            if chosen:
                limits.append(f"taskset -p -c {chosen} $$ >/dev/null")
        return limits

    def _groups(self) -> list[Path]:
        if self._made is None:
            self._made = []
            for parent in self._parents:
                group = parent.path / self._name
                group.mkdir(exist_ok=True)
                self._made.append(group)
                for controller in ("memory", "cpu", "pids"):
                    if controller in self._wanted and controller in parent.controllers:
                        for number, (name, value) in enumerate(
                            written(parent.version, controller, self._wanted[controller])
                        ):
                            with suppress(*((OSError,) if number else ())):
                                (group / name).write_text(value, encoding="ascii")
        return self._made

    def killed_for_memory(self) -> int:
        """How many processes were ended because the task took too much memory, so far."""
        names = {"oom_kill"}
        for group in self._made or ():
            for name in ("memory.events", "memory.oom_control"):
                with suppress(OSError, ValueError):
                    for line in (group / name).read_text(encoding="ascii").splitlines():
                        word, _, number = line.partition(" ")
                        if word in names:
                            return int(number)
        return 0

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
