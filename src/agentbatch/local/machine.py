"""Processor cores and memory available to a model, within the limits of affinity and containers."""

import math
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

SYS = Path("/sys")
PROC = Path("/proc")

DEFAULT_AVAILABLE = 0.6
"""Share of all memory that counts as available where the system gives no figure (macOS)."""


class Machine(NamedTuple):
    threads: int
    """Physical cores that this process may use."""
    memory_available: int
    """Bytes."""
    memory_total: int
    """Bytes; the container's limit if that is lower."""


def this_machine(proc: Path = PROC, sys: Path = SYS) -> Machine:
    """Read from /proc and /sys where they exist."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    available = int(total * DEFAULT_AVAILABLE)
    info = _read(proc / "meminfo")
    if found := re.search(r"^MemAvailable:\s+(\d+) kB", info, re.MULTILINE):
        available = int(found[1]) * 1024
    for folder in _cgroup_folders(_read(proc / "self" / "cgroup"), sys / "fs" / "cgroup"):
        limit, used = _memory_limit(folder)
        if limit is not None:
            total, available = min(total, limit), min(available, max(0, limit - used))
    return Machine(_cores(proc, sys), available, total)


def _cores(proc: Path, sys: Path) -> int:
    allowed: Collection[int] = (
        os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    )
    cores = len(physical_cores(allowed, sys))
    for folder in _cgroup_folders(_read(proc / "self" / "cgroup"), sys / "fs" / "cgroup"):
        quota = _processor_quota(folder)
        if quota is not None:
            cores = min(cores, max(1, math.ceil(quota)))
    return cores


def physical_cores(allowed: Collection[int], sys: Path) -> set[str]:
    """The cores of the allowed processors, each named by its siblings; a processor without topology counts as one
    core."""
    names = set()
    for cpu in allowed:
        siblings = _read(
            sys / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology" / "thread_siblings_list"
        )
        names.add(siblings.strip() or str(cpu))
    return names


def _cgroup_folders(membership: str, root: Path) -> list[Path]:
    """The folders of our control groups and of all groups above, whose limits apply, too."""
    folders: list[Path] = []
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for base in [root] if not controllers else [root / name for name in ("memory", "cpu", controllers)]:
            own = base / path.lstrip("/")
            folders += [own, *(p for p in own.parents if p.is_relative_to(base))]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _memory_limit(folder: Path) -> tuple[int | None, int]:
    """A group's limit (version 2 or 1) and its current use, without reclaimable file pages."""
    for limit_name, used_name, dropped in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit = _read(folder / limit_name).strip()
        if limit.isdecimal() and int(limit) < 2**60:
            used = _read(folder / used_name).strip()
            found = re.search(rf"^{dropped} (\d+)$", _read(folder / "memory.stat"), re.MULTILINE)
            return int(limit), max(0, int(used or 0) - (int(found[1]) if found else 0))
    return None, 0


def _processor_quota(folder: Path) -> float | None:
    """Processors that a group may use."""
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = (_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if quota.isdecimal() and period.isdecimal() and int(period):
        return int(quota) / int(period)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
