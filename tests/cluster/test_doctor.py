"""What `doctor --cluster` says of a machine: a table, and a real cluster once."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentbatch.cli.setup import cluster_trial
from agentbatch.cli.setup.cluster_checks import MIN_FREE, cluster_check, node_check
from agentbatch.cli.setup.cluster_trial import NodeTrial, try_machines
from agentbatch.cluster.connection.connection import Connection
from agentbatch.cluster.exchange.terms import NodeReport
from agentbatch.cluster.exchange.wire import unpack
from agentbatch.config import load_settings
from tests.support.ray_cluster import MACHINES, RayCluster, environment
from tests.support.waiting import PATIENCE

GOOD = NodeReport(
    address="10.0.0.4",
    host="worker-1",
    system="Linux x86_64",
    python="3.11.7",
    version="0.1.0",
    sandbox="bubblewrap",
    trouble="",
    programs={"bash": "/bin/bash", "git": "/usr/bin/git", "python3": "/usr/bin/python3", "node": ""},
    clock=100.0,
    free=10 * MIN_FREE,
    folder="/var/x",
)


ALL = {**GOOD.programs, "podman": "/usr/bin/podman"}


@pytest.mark.parametrize(
    ("changes", "asked_for", "result", "words"),
    [
        ({}, "auto", "ok", "worker-1, Linux x86_64, Python 3.11.7, agentbatch 0.1.0, sandbox bubblewrap"),
        ({"programs": {"bash": "/bin/bash"}}, "auto", "fail", "git, python3 not found"),
        ({"sandbox": "none", "trouble": "no bwrap"}, "auto", "warn", "no bwrap"),
        ({"sandbox": "none", "trouble": "no bwrap"}, "bubblewrap", "fail", "no bwrap"),
        ({"sandbox": "none", "trouble": "no bwrap"}, "none", "ok", "sandbox none"),
        ({}, "podman", "fail", "podman not found"),
        ({"sandbox": "none", "trouble": "no bwrap", "programs": ALL}, "podman", "ok", "worker-1"),
        ({"clock": 90.0}, "auto", "warn", "its clock is 9 s off"),
        ({"clock": 100.9}, "auto", "ok", "worker-1"),
        ({"clock": 111.0}, "auto", "warn", "its clock is 10 s off"),
        ({"free": MIN_FREE // 2}, "auto", "warn", "1.0 GB free in /var/x"),
        ({"keys": ("OPENAI_API_KEY",)}, "auto", "warn", "left it OPENAI_API_KEY"),
    ],
)
def test_what_is_said_of_a_machine(changes: dict[str, Any], asked_for: str, result: str, words: str) -> None:
    check = node_check(replace(GOOD, **changes), 99.0, 101.0, NodeTrial(), asked_for=asked_for)
    assert (check.result, check.name) == (result, "node 10.0.0.4")
    assert words in check.detail


@pytest.mark.parametrize(
    ("tried", "result", "words"),
    [
        (NodeTrial(done="a task works there"), "ok", "a task works there; worker-1"),
        (NodeTrial(failed="no task can work there: x"), "fail", "no task can work there: x; worker-1"),
        (
            NodeTrial(warned="not reached", done="a task works there"),
            "warn",
            "not reached; a task works there; worker-1",
        ),
    ],
)
def test_what_a_task_found_on_a_machine_is_said_first(tried: NodeTrial, result: str, words: str) -> None:
    check = node_check(GOOD, 99.0, 101.0, tried, asked_for="auto")
    assert check.result == result
    assert check.detail.startswith(words)


@pytest.mark.parametrize(
    ("open_to_all", "network", "result"), [(True, True, "warn"), (True, False, "ok"), (False, True, "ok")]
)
def test_a_cluster_that_anybody_reaches_is_told_once(open_to_all: bool, network: bool, result: str) -> None:
    reports = [None, GOOD, replace(GOOD, open_to_all=open_to_all)]
    check = cluster_check("10.0.0.1:6379", reports, network=network)
    assert check.result == result
    assert check.detail.startswith("10.0.0.1:6379")


@pytest.mark.slow
async def test_every_machine_of_a_cluster_says_how_it_is_and_takes_a_task(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_trial, "FREE_WITHIN", PATIENCE)
    monkeypatch.setattr(cluster_trial, "PATIENCE", PATIENCE)
    environ = environment(cluster, os.environ)
    connection = Connection(cluster.address, environ, lambda _: None, cluster.argv())
    try:
        found = await connection.request("report")
        places = [place for place, *_ in found]
        tried = await try_machines(places, connection, load_settings({}, environ, folder=tmp_path), environ)
    finally:
        await connection.close()
    reports = [unpack(answer) for _, result, answer in found if result == "ok"]
    assert {one.address for one in reports} == {"127.0.0.1", *MACHINES}
    assert all(isinstance(one, NodeReport) and one.programs["bash"] for one in reports)
    works = NodeTrial(done="a task works there in bubblewrap, coders of others reach the gateway")
    assert tried == {
        "127.0.0.1": NodeTrial(done="has 0 processors, and so no tasks"),
        **dict.fromkeys(MACHINES, works),
    }
    assert cluster.left() == []
    assert all(one.open_to_all for one in reports), "the tests' own Ray asks for no token"
