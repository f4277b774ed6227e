"""A disk that runs full during a run: a small tmpfs, so only where mounting is allowed (root)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import CHECKOUT

SAMPLE = CHECKOUT / "task.json"


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_run_with_a_sentence(agentbatch: Any, small_disk: Path) -> None:
    shutil.copy(SAMPLE, small_disk)
    done = agentbatch("--parallel", "3")
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "run stopped: The run's files cannot be written" in done.stdout
    assert done.stderr.startswith("agentbatch: The results could not be written to ")
    assert not list(small_disk.glob(".*.tmp"))
