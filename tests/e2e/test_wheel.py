"""The built wheel carries agents/, prompts/, the sample and the env example, and runs on them."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT


@pytest.mark.slow
def test_the_wheel_runs_on_what_it_carries(tmp_path: Path, environ: dict[str, str], folder: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.stat().st_size < 1_900_000, "1.64 MB on 2026-11-30: what came along?"
    place = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
        outside = {name.partition("/")[0] for name in archive.namelist()} - {"agentbatch"}
    assert all(name.endswith(".dist-info") for name in outside)
    for kind in ("agents", "prompts"):
        carried = sorted(p.name for p in (place / "agentbatch" / "defaults" / kind).iterdir())
        assert carried == sorted(p.name for p in (CHECKOUT / kind).iterdir())
    environment = {**environ, "PYTHONPATH": str(place)}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = run("-c", "import agentbatch, os; print(os.path.dirname(agentbatch.__file__))").strip()
    assert where == os.fspath(place / "agentbatch")
    run("-m", "agentbatch", "init", "--prompts")
    assert (folder / "task.json").read_bytes() == (CHECKOUT / "task.json").read_bytes()
    # Without the user's own copies the wheel's are found.
    for kind in ("agents", "prompts"):
        for path in (folder / kind).iterdir():
            path.unlink()
        (folder / kind).rmdir()
    assert "3 tasks: 3 completed" in run("-m", "agentbatch", "--test")
    # And the user's own win over them.
    (folder / "prompts").mkdir()
    (folder / "prompts" / "coder.md").write_text("Mine: {{ nothing }}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "agentbatch", "--test"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "'nothing' is not defined here" in done.stderr
