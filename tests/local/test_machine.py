import os
from pathlib import Path

import pytest

from agentbatch.local.machine import physical_cores, this_machine

GIB = 1024**3


class Fake:
    """A /proc and a /sys of our own."""

    def __init__(self, place: Path) -> None:
        self.proc, self.sys = place / "proc", place / "sys"
        self.write(self.proc / "meminfo", "MemTotal: 1 kB\nMemAvailable:    8388608 kB\n")

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def group(self, path: str, **files: str) -> None:
        folder = self.sys / "fs" / "cgroup" / path
        for name, content in files.items():
            self.write(folder / name.replace("_", ".", 1), content)


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_memory_that_is_available(fake: Fake) -> None:
    assert this_machine(fake.proc, fake.sys).memory_available == 8 * GIB


def test_a_container_may_have_less(fake: Fake) -> None:
    fake.write(fake.proc / "self" / "cgroup", "0::/task/inner\n")
    fake.group(
        "task", memory_max=f"{4 * GIB}\n", memory_current=f"{3 * GIB}\n", memory_stat=f"inactive_file {GIB}\n"
    )
    fake.group("task/inner", memory_max="max\n", memory_current=f"{GIB}\n")
    machine = this_machine(fake.proc, fake.sys)
    assert machine.memory_available == 2 * GIB
    assert machine.memory_total == 4 * GIB


def test_containers_of_the_older_kind(fake: Fake) -> None:
    fake.write(fake.proc / "self" / "cgroup", "5:memory:/docker/x\n")
    folder = fake.sys / "fs" / "cgroup" / "memory" / "docker" / "x"
    fake.write(folder / "memory.limit_in_bytes", str(2 * GIB))
    fake.write(folder / "memory.usage_in_bytes", str(GIB // 2))
    assert this_machine(fake.proc, fake.sys).memory_available == 3 * GIB // 2


def test_no_limit_is_no_limit(fake: Fake) -> None:
    fake.write(fake.proc / "self" / "cgroup", "5:memory:/\n")
    fake.write(fake.sys / "fs" / "cgroup" / "memory" / "memory.limit_in_bytes", "9223372036854771712")
    assert this_machine(fake.proc, fake.sys).memory_available == 8 * GIB


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000", None), ("100000 100000", 1), ("150000 100000", 2)]
)
def test_processors_that_a_container_may_use(fake: Fake, limit: str, cores: int | None) -> None:
    here = this_machine(fake.proc, fake.sys).threads
    fake.write(fake.proc / "self" / "cgroup", "0::/task\n")
    fake.group("task", cpu_max=limit)
    assert this_machine(fake.proc, fake.sys).threads == (here if cores is None else min(here, cores))


def test_hyperthreads_are_one_core(fake: Fake) -> None:
    for cpu, siblings in enumerate(("0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7")):
        topology = fake.sys / "devices" / "system" / "cpu" / f"cpu{cpu}" / "topology"
        fake.write(topology / "thread_siblings_list", siblings + "\n")
    assert len(physical_cores(range(8), fake.sys)) == 4
    assert len(physical_cores({0, 4, 1}, fake.sys)) == 2
    assert len(physical_cores({0, 8, 9}, fake.sys)) == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity (Linux)")
def test_affinity_counts(fake: Fake) -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert this_machine(fake.proc, fake.sys).threads == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_this_very_machine() -> None:
    machine = this_machine()
    assert 1 <= machine.threads <= (os.cpu_count() or 1)
    assert 0 < machine.memory_available <= machine.memory_total
