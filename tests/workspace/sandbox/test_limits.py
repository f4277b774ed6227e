"""What the commands of a task may take together, by control groups or by limits of the shell."""

import subprocess
from pathlib import Path

import pytest

from agentbatch.workspace.sandbox.limits import (
    Controller,
    Parent,
    TaskLimits,
    find_parents,
    group_name,
    parents,
    written,
)
from agentbatch.workspace.workspace import Limits

V2 = "30 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
APP = "/user.slice/user-1000.slice/user@1000.service/app.slice"
V1 = "".join(
    f"{number} 31 0:{number} / /sys/fs/cgroup/{name} rw,relatime - cgroup cgroup rw,{name}\n"
    for number, name in enumerate(("cpu,cpuacct", "memory", "pids", "freezer"), 32)
)
V1_OWN = "8:pids:/\n7:freezer:/\n4:memory:/docker/abc\n1:cpu,cpuacct:/\n0::/\n"

MEMORY: set[Controller] = {"memory", "pids"}
ALL: set[Controller] = {"memory", "cpu", "pids"}


@pytest.mark.parametrize(
    ("own", "mounted", "may", "found"),
    [
        # A terminal of a desktop: the group above its own is the user's.
        (
            f"0::{APP}/terminal.scope\n",
            V2,
            {f"/sys/fs/cgroup{APP}": MEMORY},
            [Parent(2, Path(f"/sys/fs/cgroup{APP}"), frozenset(MEMORY))],
        ),
        # By ssh: nothing on the way up belongs to the user.
        ("0::/user.slice/user-1000.slice/session-3.scope\n", V2, {}, []),
        # Root: the nearest that hands controllers down.
        (
            "0::/user.slice/user-0.slice/session-3.scope\n",
            V2,
            {"/sys/fs/cgroup/user.slice/user-0.slice": MEMORY, "/sys/fs/cgroup": ALL},
            [Parent(2, Path("/sys/fs/cgroup/user.slice/user-0.slice"), frozenset(MEMORY))],
        ),
        # Nothing above the tree itself is looked at.
        ("0::/x\n", V2, {"/sys/fs": ALL, "/": ALL}, []),
        # A container that sees its own group as the root of the tree.
        (
            "0::/\n",
            "30 23 0:28 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
            {"/sys/fs/cgroup": ALL},
            [Parent(2, Path("/sys/fs/cgroup"), frozenset(ALL))],
        ),
        # Version 1: a tree for each controller, our own group in it.
        (
            V1_OWN,
            V1,
            {"/sys/fs/cgroup/memory/docker/abc": ALL, "/sys/fs/cgroup/cpu,cpuacct": ALL},
            [
                Parent(1, Path("/sys/fs/cgroup/cpu,cpuacct"), frozenset({"cpu"})),
                Parent(1, Path("/sys/fs/cgroup/memory/docker/abc"), frozenset({"memory"})),
            ],
        ),
        ("", "", {}, []),
        ("0::/\n", "22 1 0:5 / /proc rw - proc proc rw\n", {"/sys/fs/cgroup": ALL}, []),
    ],
)
def test_where_groups_can_be_made(
    own: str, mounted: str, may: dict[str, set[Controller]], found: list[Parent]
) -> None:
    assert (
        list(find_parents(own, mounted, lambda place, version: frozenset(may.get(str(place), set()))))
        == found
    )


def test_what_is_written() -> None:
    assert written(2, "memory", ("1024", "0")) == [("memory.max", "1024"), ("memory.swap.max", "0")]
    assert written(2, "cpu", ("150000 100000",)) == [("cpu.max", "150000 100000")]
    assert written(1, "cpu", ("150000 100000",)) == [
        ("cpu.cfs_quota_us", "150000"),
        ("cpu.cfs_period_us", "100000"),
    ]
    assert written(1, "memory", ("1024", "0")) == [
        ("memory.limit_in_bytes", "1024"),
        ("memory.memsw.limit_in_bytes", "1024"),
    ]


def test_a_group_of_each_task_is_written_to_and_entered(tmp_path: Path) -> None:
    parent = Parent(2, tmp_path, frozenset({"memory", "cpu"}))
    name = group_name("0123456789abcdef0123", "a task")
    limits = TaskLimits(Limits(memory=4 << 30, cpus=2, processes=99), name, [parent])
    limits.enter()
    argv = limits.around(["true"])
    assert name.startswith("agentbatch-0123456789abcdef-")
    assert name != group_name("0123456789abcdef0123", "another")
    assert {path.name: path.read_text() for path in (tmp_path / name).iterdir()} == {
        "memory.max": str(4 << 30),
        "memory.swap.max": "0",
        "cpu.max": "200000 100000",
    }
    assert limits.by_each == ["processes"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert (tmp_path / name / "cgroup.procs").read_text().strip().isdigit()


def test_what_puts_a_command_into_its_group_runs_nothing_of_the_task_s(tmp_path: Path) -> None:
    """It runs before the sandbox is there, under the task's variables."""
    for name in ("bash", "taskset", "loaded"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\n")
        (tmp_path / name).chmod(0o755)
    env = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "BASH_ENV": str(tmp_path / "loaded"),
        "BASH_FUNC_exec%%": f"() {{ touch {tmp_path}/ran-function; }}",
        "SHELLOPTS": "xtrace",
        "PS4": f"$(touch {tmp_path}/ran-trace)",
    }
    argv = TaskLimits(Limits(cpus=1, processes=1000), "agentbatch-0", []).around(["/bin/true"])
    assert subprocess.run(argv, env=env, check=True, capture_output=True).stderr == b""
    assert sorted(path.name for path in tmp_path.glob("ran-*")) == []


def test_without_limits_nothing_is_around_a_command() -> None:
    limits = TaskLimits(Limits(), "agentbatch-x", [])
    assert (limits.around(["echo", "$1; -n"]), limits.by_each) == (["echo", "$1; -n"], [])


def test_a_command_that_cannot_be_held_does_not_run(tmp_path: Path) -> None:
    limits = TaskLimits(Limits(memory=1 << 30), "agentbatch-x", [Parent(2, tmp_path, frozenset({"memory"}))])
    limits.enter()
    argv = limits.around(["touch", str(tmp_path / "ran")])
    (tmp_path / "agentbatch-x" / "cgroup.procs").mkdir()
    assert subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode == 126
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
@pytest.mark.parametrize("grouped", [True, False])
def test_memory_is_held(grouped: bool) -> None:
    here = [parent for parent in parents() if "memory" in parent.controllers]
    if grouped and not here:
        pytest.skip("no control group can be made here: run as root, or in `systemd-run --user --scope`")
    name = group_name("f" * 32, "test_memory_is_held")
    limits = TaskLimits(Limits(memory=96 << 20), name, here if grouped else [])
    try:
        limits.enter()
        take = ["python3", "-c", "len(bytearray(400 << 20)); print('had it')"]
        done = subprocess.run(limits.around(take), capture_output=True, text=True, check=False)
        assert "had it" not in done.stdout
        assert limits.leave() == (
            "[killed: together, the task's processes may take 96 MB of memory]" if grouped else ""
        )
        small = subprocess.run(limits.around(["echo", "small"]), capture_output=True, text=True, check=True)
        assert (small.stdout, limits.leave()) == ("small\n", "")
    finally:
        limits.close()
    assert not [group for parent in here for group in parent.path.glob(f"{name}*")]
