"""The files in deploy/ are what their launchers take, as far as that is to be seen without one."""

import subprocess
from importlib import import_module
from typing import Any

import pytest

from tests.support.paths import CHECKOUT
from tests.support.ray_cluster import missing

pytestmark = pytest.mark.slow

DEPLOY = CHECKOUT / "deploy"


def document(name: str) -> Any:
    return pytest.importorskip("yaml").safe_load((DEPLOY / name).read_text())


def test_rays_own_launcher_takes_the_machines_reached_by_ssh() -> None:
    if problem := missing():
        pytest.skip(problem)
    util = import_module("ray.autoscaler._private.util")
    config = util.prepare_config(document("ssh-cluster.yaml"))
    util.validate_config(config)
    assert config["provider"]["worker_ips"] == ["10.0.0.2", "10.0.0.3"]


def test_the_manifest_has_a_head_without_tasks_and_machines_with_a_token() -> None:
    spec = document("kuberay.yaml")["spec"]
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["authOptions"]["mode"] == "token"
    (group,) = spec["workerGroupSpecs"]
    assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for part in (spec["headGroupSpec"], group):
        (container,) = part["template"]["spec"]["containers"]
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert "env" not in container, "no key is given to a pod"


def test_the_slurm_script_is_a_script() -> None:
    done = subprocess.run(["bash", "-n", DEPLOY / "slurm.sh"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
