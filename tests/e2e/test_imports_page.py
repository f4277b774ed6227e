"""The examples of docs/imports.md, as a reader tries them: imported, worked on, and their hidden tests run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT


@pytest.mark.slow
def test_both_examples(folder: Path, environ: Mapping[str, str]) -> None:
    page = (CHECKOUT / "docs/imports.md").read_text(encoding="utf-8").partition("## Try it")[2]
    harbor, swe_bench = re.findall(r"```\n(.*?)```", page, re.DOTALL)
    env = {**environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"}
    assert shutil.which("agentbatch", path=env["PATH"])

    def tried(text: str) -> str:
        done = subprocess.run(
            ["bash", "-e", "-c", text],
            cwd=folder,
            env=env,
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "hidden_verify passed" in tried(harbor)
    assert "1 of 1 task imported into swe/task.json" in tried(swe_bench)
    (entry,) = json.loads((folder / "swe/task.json").read_text())["tasks"]
    assert (entry["id"], entry["dir"]) == ("me__sums-1", "work/me__sums-1")
