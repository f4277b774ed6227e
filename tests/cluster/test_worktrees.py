"""Tasks in git worktrees on a real Ray of two machines: git works there, and their commits are made at home."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT
from tests.support.ray_cluster import RayCluster, environment, run
from tests.workspace.repositories import git, make_repository, needs_git

pytestmark = [pytest.mark.slow, needs_git]

VERIFY = "git log --format=%s | grep -q first && git status --porcelain . | grep -q . && cat ../../common"


def test_git_works_in_worktrees_of_a_cluster(cluster: RayCluster, tmp_path: Path) -> None:
    sample = json.loads((CHECKOUT / "task.json").read_text(encoding="utf-8"))["tasks"][:2]
    tasks = [{**task, "verify": VERIFY} for task in sample]
    files = {f"{task['dir']}/README": "A task\n" for task in tasks}
    user = make_repository(
        tmp_path / "user", {**files, "common": "of all\n", "task.json": json.dumps({"tasks": tasks})}
    )
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [str(Path(sys.executable).with_name("agentbatch")), "--parallel", "2", "--display", "plain"]
    done = run(
        cluster.argv(*command, "--cluster", cluster.address, "--isolation", "worktree"),
        cwd=user,
        env=environment(cluster, {**kept, "XDG_CACHE_HOME": str(tmp_path / "cache")}),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    branches = git(user, "branch", "--list", "--format=%(refname:short)", "agentbatch/*").splitlines()
    changed = {git(user, "diff", "--name-only", f"HEAD...{branch}").split("\n")[0] for branch in branches}
    assert {Path(path).parent.as_posix() for path in changed} == {task["dir"] for task in tasks}
