"""A disk that runs full during a run: a small tmpfs, so only where mounting is allowed (root)."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.disks import small_disk_at
from tests.support.paths import CHECKOUT

SAMPLE = CHECKOUT / "task.json"


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    with small_disk_at(folder, "300k") as disk:
        yield disk


def test_a_full_disk_stops_the_run_with_a_sentence(agentbatch: Any, small_disk: Path) -> None:
    shutil.copy(SAMPLE, small_disk)
    done = agentbatch("--parallel", "3")
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "run stopped: The run's files cannot be written" in done.stdout
    assert done.stderr.startswith("agentbatch: The results could not be written to ")
    assert not list(small_disk.glob(".*.tmp"))
