"""A real Ray of two machines, the same for all tests that leave it as it was."""

import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from agentbatch.cluster.remote import workspace
from tests.support.ray_cluster import RayCluster, missing


@contextmanager
def ray_cluster(settings: Mapping[str, str]) -> Iterator[RayCluster]:
    """`settings`: variables of Ray's."""
    if problem := missing():
        pytest.skip(problem)
    place = Path(tempfile.mkdtemp(prefix="ab-ray-"))
    found = RayCluster(place, os.environ, settings=settings)
    yield found
    found.close()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster({}) as found:
        yield found


SOON_MISSED = {
    "RAY_gcs_rpc_server_reconnect_timeout_s": "3",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


@pytest.fixture(scope="module")
def frail_cluster() -> Iterator[RayCluster]:
    """One whose head and machines are soon missed."""
    with ray_cluster(SOON_MISSED) as found:
        yield found


@pytest.fixture(autouse=True)
def at_home_before_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a call has done is brought home before it is answered, however slow that is."""
    monkeypatch.setattr(workspace, "SOON", math.inf)
