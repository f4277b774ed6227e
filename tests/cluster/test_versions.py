"""Machines with another version of us, and clusters that are not there, or speak another Ray."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentbatch.cluster.connection import connection as connection_module
from agentbatch.cluster.connection.connection import Connection, refusal
from agentbatch.errors import UserError
from tests.cluster.conftest import ray_cluster
from tests.cluster.work import bash, on, script, write
from tests.support.ray_cluster import MACHINES, RayCluster, missing
from tests.tasks.run.conftest import RunTasks, run_tasks

__all__ = ["run_tasks"]


@pytest.fixture
def older_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """Its machines have an agentbatch that has nothing in it; its head has ours."""
    folder = tmp_path_factory.mktemp("older")
    (folder / "older/agentbatch").mkdir(parents=True)
    (folder / "older/agentbatch/__init__.py").write_text("")
    (folder / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"if os.environ.get('TMPDIR', '').endswith({MACHINES!r}):\n"
        f"    sys.path.insert(sys.path.index({str(folder)!r}) + 1, {str(folder / 'older')!r})\n"
    )
    with ray_cluster({"PYTHONPATH": str(folder)}) as found:
        yield found


@pytest.mark.slow
async def test_machines_with_another_version_get_ours(
    older_cluster: RayCluster, run_tasks: RunTasks, tmp_path: Path
) -> None:
    ran = await run_tasks(
        [{"id": "t", "dir": "work", "first_prompt": "Go.", "verify": "grep -q written a.txt"}],
        [script("Go.", [write("a.txt", "written\n"), bash("cat a.txt")])],
        open_workspaces=on(older_cluster),
        environ={"RAY_AUTH_MODE": "disabled"},
    )
    assert ran.task.status == "completed", ran.task.error
    assert (tmp_path / "work/a.txt").read_text() == "written\n"


@pytest.mark.slow
async def test_where_there_is_no_cluster_it_is_said() -> None:
    if problem := missing():
        pytest.skip(problem)
    connection = Connection("127.0.0.1:1", os.environ, lambda _: None)
    with pytest.raises(UserError, match=r"--cluster: there is no Ray at 127\.0\.0\.1:1"):
        await connection.start()
    await connection.close()


@pytest.mark.slow
async def test_one_that_does_not_answer_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what Ray has printed meanwhile."""
    if problem := missing():
        pytest.skip(problem)
    monkeypatch.setattr(connection_module, "STARTED_WITHIN", 0.0)
    connection = Connection("127.0.0.1:1", os.environ, lambda _: None)
    with pytest.raises(UserError, match=r"there is no Ray at 127\.0\.0\.1:1: it has not answered for 0 s"):
        await connection.start()
    await connection.close()


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (
            "RuntimeError: Version mismatch: The cluster was started with:\n    Ray: 2.49.0\n    Python: 3.12.1\n"
            "This process on node 10.0.0.1 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n",
            "has another version of Ray or Python",
        ),
        ("ray.exceptions.AuthenticationError: Invalid authentication token\n", "wants a token"),
        ("ConnectionError: Ray is trying to start at 10.0.0.1:6379\n", "there is no Ray at 10.0.0.1:6379"),
        ("", "there is no Ray at 10.0.0.1:6379: it does not answer"),
        (
            "it cannot be installed: no virtualenv\n",
            "and Ray cannot bring it: no virtualenv. Install agentbatch for",
        ),
    ],
)
def test_why_a_cluster_cannot_be_had_is_a_sentence(printed: str, said: str) -> None:
    assert said in refusal("10.0.0.1:6379", printed)


def test_a_ray_of_our_own_that_does_not_start_is_said() -> None:
    assert "a Ray of its own on this machine could not be started: no room" in refusal("", "x\nno room\n")
