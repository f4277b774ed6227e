"""Ten tasks on one git repository at once, each in a worktree of its own; also when the engine is killed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agentbatch.rehearsal.script import Say, Script, ScriptedCall
from agentbatch.rehearsal.server import RehearsalServer
from tests.e2e.interrupted_batch import InterruptedBatch
from tests.support.keys import KEY
from tests.tasks.run.verdicts import COMPLETE

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git (Debian: apt install git)")

COUNT = 10


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@localhost")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def bash(command: str) -> Say:
    return Say(calls=[ScriptedCall(name="bash", arguments={"command": command})])


def script(number: int) -> Script:
    steps = [
        # Not by sed -i: killed in the middle, it leaves a file of its own, which is then the task's.
        bash(f"printf 'before\\ntask {number}\\nafter\\n' > notes.txt; sleep 0.1"),
        bash(f"echo {number} > only-{number}.txt; git status --short; ls"),
        Say(calls=[ScriptedCall(name="finish", arguments={"summary": "Done."})]),
    ]
    return Script(prompt=f"Edit, {number:02}.", coder=list(steps), evaluator=[Say(verdict=COMPLETE)])


def make_repository(folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    (folder / "notes.txt").write_text("before\nshared\nafter\n")
    (folder / "lib").mkdir()
    (folder / "lib/code.py").write_text("x = 1\n")
    (folder / ".gitignore").write_text(".agentbatch\n*.json\nhome\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    (folder / "lib/code.py").write_text("x = 2  # not committed\n")
    (folder / "mine.txt").write_text("untracked\n")


def checkout(folder: Path) -> dict[str, Any]:
    """All that must stay as it is."""
    return {
        "head": git(folder, "rev-parse", "HEAD"),
        "branch": git(folder, "symbolic-ref", "HEAD"),
        "status": git(folder, "status", "--porcelain"),
        "stash": git(folder, "stash", "list"),
        "files": {
            p.name: p.read_bytes()
            for p in (folder / "notes.txt", folder / "lib/code.py", folder / "mine.txt")
        },
        "config": (folder / ".git/config").read_bytes(),
    }


@pytest.mark.parametrize("kills", [2, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.slow
async def test_ten_tasks_on_one_repository(tmp_path: Path, environ: dict[str, str], kills: int) -> None:
    async with RehearsalServer([script(n) for n in range(COUNT)], key=KEY, latency=0.05) as server:
        batch = InterruptedBatch(
            tmp_path / "repository", server, environ, parallel=10, flags=("--isolation", "worktree")
        )
        entries = [{"id": f"t{n}", "first_prompt": f"Edit, {n:02}."} for n in range(COUNT)]
        (batch.folder / "task.json").write_text(json.dumps({"tasks": entries}))
        make_repository(batch.folder)
        before = checkout(batch.folder)
        for kill in range(kills):
            await batch.start()
            assert await batch.until_calls(3 + 4 * kill), batch.output
            await batch.kill()
            assert checkout(batch.folder) == before
        assert await batch.finish() == 0, batch.output
    assert checkout(batch.folder) == before
    run_id = batch.database.parent.name
    branches = [
        line.strip("*+ \n") for line in git(batch.folder, "branch", "--list", "agentbatch/*").splitlines()
    ]
    assert sorted(branches) == sorted(f"agentbatch/{run_id}/t{n}" for n in range(COUNT))
    for number in range(COUNT):
        branch = f"agentbatch/{run_id}/t{number}"
        assert git(batch.folder, "show", f"{branch}:notes.txt") == f"before\ntask {number}\nafter\n"
        changed = git(batch.folder, "diff", "--name-only", "main", branch).split()
        assert changed == ["notes.txt", f"only-{number}.txt"]
        assert git(batch.folder, "show", f"{branch}:lib/code.py") == "x = 1\n"
    assert len(git(batch.folder, "worktree", "list").splitlines()) == 1
    results = json.loads((batch.folder / "parallel_batch_results.json").read_text())
    assert [r["result"]["branch"] for r in results["results"]] == [
        f"agentbatch/{run_id}/t{n}" for n in range(COUNT)
    ]
