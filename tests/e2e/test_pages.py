"""The commands that pages of docs/ show, in their order, as a reader tries them: each works on the rehearsal model."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.containers import NAME, image, podman
from tests.support.paths import CHECKOUT

ELSEWHERE = re.compile("claude|codex")
"""What needs more than this machine."""
STANDING_IN = {
    "ntfy://my-batches": "json://127.0.0.1:9/",
    "9464": "0",
    "old_results.json": "parallel_batch_results.json",
    "docker.io/library/python:3.12-slim": f"{NAME}:whole",
}
MODULES = r"""mkdir -p src/api && touch src/a.py src/api/b.py && python3 -c '
import pathlib, re, sys
page = pathlib.Path(sys.argv[1]).read_text("utf-8")
pathlib.Path("task.json").write_text(re.findall("```json\n(.*?)```", page, re.S)[0])' """ + str(
    CHECKOUT / "docs/from-batchrunner.md"
)
"""The page's own task file, and modules for it."""


def commands(page: str) -> Iterator[str]:
    """Lines that begin with the command, or with a variable before it; without what is said of them."""
    for line in (CHECKOUT / "docs" / page).read_text(encoding="utf-8").splitlines():
        found = re.fullmatch(r"(?: {4})?((?:[A-Z_]+=\S+ )?agentbatch .*)", line)
        if found and not ELSEWHERE.search(line):
            yield re.split(r" {3,}| #", found[1])[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "before", "least"),
    [
        ("attempts.md", [], 5),
        ("compare.md", [], 4),
        ("reports.md", ["agentbatch init", "agentbatch --parallel 3"], 7),
        ("telemetry.md", ["agentbatch init"], 6),
        ("containers.md", ["agentbatch init"], 2),
        ("from-coder-evaluator.md", ["agentbatch init", "cp .env .env.staging"], 8),
        ("from-batchrunner.md", [MODULES], 2),
        ("from-batchprocessor.md", ["rm in.jsonl", "echo 'A {{ kind }}, level {{ level }}.' > quiz.md"], 4),
    ],
)
def test_every_command_of_the_page_works(
    folder: Path, environ: Mapping[str, str], page: str, before: list[str], least: int
) -> None:
    if page == "containers.md":
        image(podman(), "whole")
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    env = {**environ, "PATH": path, "GITHUB_STEP_SUMMARY": "summary.md"}
    (folder / "in.jsonl").write_text('{"id": "a", "prompt": "one"}\n{"id": "b", "prompt": "two"}\n')
    shown = list(commands(page))
    assert len(shown) >= least
    for command in [*before, *shown]:
        runs = sorted((folder / ".agentbatch/runs").glob("*"))
        for name, stand_in in {**STANDING_IN, "20260102-0304": runs[-1].name if runs else ""}.items():
            command = command.replace(name, stand_in)
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        if command == "agentbatch init":
            keep_three_tasks(folder / "task.json")


def keep_three_tasks(path: Path) -> None:
    tasks = json.loads(path.read_text(encoding="utf-8"))["tasks"]
    chosen = [task for task in tasks if task["id"] in ("fizzbuzz", "roman", "primes")]
    path.write_text(json.dumps({"tasks": chosen}), encoding="utf-8")
