"""The sample batch on a real Ray of two machines: what it makes is what is made at home."""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT
from tests.support.ray_cluster import RayCluster, environment, run

pytestmark = pytest.mark.slow

AGENTBATCH = str(Path(sys.executable).with_name("agentbatch"))


def sample(folder: Path) -> Path:
    folder.mkdir()
    shutil.copy(CHECKOUT / "task.json", folder)
    return folder


def plain_environ(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "XDG_CACHE_HOME": f"{folder}-cache"}


def batch(folder: Path, cluster: RayCluster, *arguments: str) -> dict[str, str]:
    """Run it; the status of each task."""
    argv = cluster.argv(AGENTBATCH, "--parallel", "2", "--display", "plain", *arguments)
    done = run(argv, cwd=folder, env=environment(cluster, plain_environ(folder)))
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((folder / "parallel_batch_results.json").read_text())["results"]
    return {one["task"]["id"]: one["result"]["status"] for one in results}


def made_by(folder: Path) -> dict[str, bytes]:
    root = folder / "workspace"
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("shared", [False, True], ids=["moved", "shared"])
def test_the_sample_batch_makes_what_it_makes_at_home(
    cluster: RayCluster, tmp_path: Path, shared: bool
) -> None:
    away, here = sample(tmp_path / "away"), sample(tmp_path / "here")
    found = batch(away, cluster, "--cluster", cluster.address, *(["--cluster-shared"] if shared else []))
    assert set(found.values()) == {"completed"}
    assert len(found) == 10
    batch(here, cluster)
    assert made_by(away) == made_by(here) != {}
    assert not Path(tempfile.gettempdir(), f"agentbatch-{os.getuid()}").exists(), (
        "nothing of ours stays on a node"
    )
