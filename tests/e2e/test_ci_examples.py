"""examples/ci/: what their steps run, as a runner would, and the files that they promise."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from agentbatch.documents.yaml_text import load_yaml
from tests.support.paths import CHECKOUT

INSTALLING = ("pip ", "sudo ")


def example(name: str) -> Any:
    return load_yaml((CHECKOUT / "examples/ci" / name).read_text(encoding="utf-8"))[0]


def steps(name: str) -> list[str]:
    found = example(name)
    jobs = (
        found["jobs"]["tasks"]["steps"]
        if "jobs" in found
        else [{"run": r} for r in found["agentbatch"]["script"]]
    )
    return [step["run"] for step in jobs if "run" in step and not step["run"].startswith(INSTALLING)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "iterations", "codes"),
    [("github.yml", "10", [0, 0]), ("github.yml", "1", [1, 0]), ("gitlab.yml", "1", [1])],
)
def test_the_threshold_holds_and_the_files_are_there(
    folder: Path, environ: Mapping[str, str], name: str, iterations: str, codes: list[int]
) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    env = {
        **environ,
        "PATH": path,
        "AGENTBATCH_MAX_ITERATIONS": iterations,
        "GITHUB_STEP_SUMMARY": str(folder / "shown"),
    }
    subprocess.run(["agentbatch", "init"], cwd=folder, env=env, check=True, capture_output=True)
    done = [
        subprocess.run(["bash", "-e", "-c", step], cwd=folder, env=env, stdin=subprocess.DEVNULL, check=False)
        for step in steps(name)
    ]
    assert [one.returncode for one in done] == codes
    assert len(list(ET.parse(folder / "junit.xml").iter("testcase"))) == 10
    promised = ["report/index.html", "junit.xml", "parallel_batch_results.json"]
    promised += ["shown"] if name == "github.yml" else []
    assert [path for path in promised if not (folder / path).stat().st_size] == []
