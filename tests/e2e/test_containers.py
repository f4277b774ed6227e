"""The sample batch with podman, by the installed command."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.containers import image, podman
from tests.support.paths import CHECKOUT

pytestmark = pytest.mark.slow


def test_the_sample_batch_completes_in_containers(folder: Path, agentbatch: Any) -> None:
    engine = podman()
    shutil.copy(CHECKOUT / "task.json", folder)
    done = agentbatch(
        "--sandbox", "podman", "--image", image(engine, "whole"), "--parallel", "3", "--display", "plain"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((folder / "parallel_batch_results.json").read_text("utf-8"))
    assert results["run"]["sandbox"] == "podman"
    assert {task["result"]["status"] for task in results["results"]} == {"completed"}
    assert engine.ask("ps", "--all", "--quiet", "--filter", "label=agentbatch.mark").output == ""
