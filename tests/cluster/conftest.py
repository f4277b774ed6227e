"""A real Ray of two machines, for all tests of this folder that want one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ray_cluster import RayCluster, missing


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    if problem := missing():
        pytest.skip(problem)
    place = Path(tempfile.mkdtemp(prefix="ab-ray-"))
    found = RayCluster(place, os.environ)
    yield found
    found.close()
    shutil.rmtree(place, ignore_errors=True)
