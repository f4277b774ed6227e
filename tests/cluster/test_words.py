"""What people read of losses, and what a task asks a cluster for: tables."""

from dataclasses import replace

import pytest

from agentbatch.cluster.before import lacking, read_report, this_machine, unserved
from agentbatch.cluster.connection.connection import check_address
from agentbatch.cluster.connection.fitting import can_grow, unfit
from agentbatch.cluster.exchange.losses import in_words
from agentbatch.cluster.exchange.terms import Lease, NodeReport
from agentbatch.cluster.exchange.wire import pack
from agentbatch.cluster.stations.station import options_of
from agentbatch.errors import UserError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The actor died unexpectedly.\n\tip: 10.0.0.4\nThe actor died because its node has died.", "the node is gone"),
        ("The actor 8beb is unavailable: RpcError: RPC error: recvmsg", "it cannot be reached"),
        ("The actor is dead because its owner has died. Owner Id: 01", "the engine's connection ended"),
        ("The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR", "its process ended"),
        (
            "ray::Hands()\n\nModuleNotFoundError: No module named 'agentbatch'",
            "agentbatch, or what it needs, is not installed there",
        ),
        ("Task was killed due to the node running low on memory.", "its memory was used up"),
        (
            "The actor is dead because its worker process has died. Worker exit detail: error code 2. There are "
            "some potential root causes. (1) The process is killed by SIGKILL by OOM killer due to high memory usage.",
            "its process ended",
        ),
        ("a\n  builtins.RuntimeError: Please install virtualenv", "Please install virtualenv"),
        ("The actor is dead because it was killed by `ray.kill`.", "it was ended from elsewhere"),
        ("The actor never ran - it was cancelled before it started running.", "it was gone before it began"),
        ("something\n\n  else.  ", "else"),
        ("", "Exception"),
    ],
)  # fmt: skip
def test_a_loss_is_told_without_rays_own_numbers(text: str, words: str) -> None:
    assert in_words(Exception(text)) == words


@pytest.mark.parametrize(
    ("lease", "options"),
    [
        (Lease(), {"num_cpus": 1.0}),
        (Lease(0.0), {"num_cpus": 0.0}),
        (Lease(2.0, 4 << 30), {"num_cpus": 2.0, "memory": 4 << 30}),
        (
            Lease(resources=(("gpu", 1), ("tpu", 2))),
            {"num_cpus": 1.0, "num_gpus": 1, "resources": {"tpu": 2}},
        ),
        (Lease(resources=(("GPU", 0.5),)), {"num_cpus": 1.0, "num_gpus": 0.5}),
    ],
)
def test_what_is_asked_for_is_named_as_ray_has_it(lease: Lease, options: dict[str, object]) -> None:
    assert options_of(lease) == options


SMALL, LARGE = {"CPU": 2.0, "memory": 2.0**32}, {"CPU": 16.0, "memory": 2.0**36, "tpu": 1.0}


@pytest.mark.parametrize(
    ("lease", "machines", "told"),
    [
        (Lease(), [SMALL], ""),
        (Lease(16, 1 << 36), [SMALL, LARGE], ""),
        (Lease(64), [SMALL, LARGE], "No machine of the cluster has cpus 64 (at most 16)"),
        (Lease(1, resources=(("gpu", 1),)), [LARGE], "has gpu 1 (at most 0)"),
        (Lease(1, 1 << 37), [SMALL], "has memory 128.0 GB (at most 4.0 GB)"),
        (Lease(2, resources=(("tpu", 1), ("fast", 1))), [SMALL, LARGE], "has fast 1 (at most 0)"),
        (Lease(2, 1, (("a", 1),)), [{"CPU": 2, "memory": 9}, {"CPU": 1, "a": 1}], "a 1 (at most 1) together"),
        (Lease(), [], "has cpus 1 (at most 0)"),
    ],
)  # fmt: skip
def test_a_task_that_fits_on_no_machine_is_told(
    lease: Lease, machines: list[dict[str, float]], told: str
) -> None:
    found = unfit(lease, machines)
    assert told in found
    assert bool(told) == bool(found)


def test_what_nobody_can_serve_is_said_of_all_at_once() -> None:
    wanted = {"a": Lease(), "b": Lease(64), "c": Lease(64), "d": Lease(resources=(("gpu", 1),))}
    assert unserved({"a": Lease()}, [SMALL]) == ""
    assert unserved(wanted, [SMALL]) == (
        "No machine of the cluster has cpus 64 (at most 2), asked for by b, c; No machine of the cluster has gpu 1 "
        "(at most 0), asked for by d"
    )
    assert unserved({"gpu": Lease(0.1, 1, (("gpu", 4),))}, [this_machine()]) == "", (
        "Ray looks for them itself"
    )


def has(address: str, *programs: str) -> NodeReport:
    found = {name: f"/usr/bin/{name}" for name in programs}
    return NodeReport(address, "h", "Linux", "3.11", "1", "bubblewrap", "", found, 0.0, 0, "/tmp")


def test_which_machines_have_a_program_that_is_needed_there() -> None:
    codex = {"the coder codex": ["codex"]}
    assert lacking(codex, [has("10.0.0.1", "codex"), has("10.0.0.2", "codex")]) == ""
    assert lacking(codex, []) == "", "none has said anything"
    assert lacking(codex, [has("10.0.0.1", "codex"), has("10.0.0.2")]) == (
        "Of the cluster's machines 10.0.0.2 has no codex (the coder codex): tasks that need it end there with an error."
    )
    with pytest.raises(
        UserError, match=r"the coder codex needs codex, which no machine of it has on its PATH\."
    ):
        lacking(codex, [has("10.0.0.1"), has("10.0.0.2")])
    engines = {"a task with an image": ["podman", "docker"]}
    assert lacking(engines, [has("10.0.0.1", "podman"), has("10.0.0.2", "docker")]) == ""
    with pytest.raises(UserError, match=r"a task with an image needs podman or docker, which no machine"):
        lacking(engines, [has("10.0.0.1")])


@pytest.mark.parametrize(
    ("result", "answer", "read"),
    [
        ("ok", pack(has("10.0.0.1")), True),
        ("error", "it hangs", False),
        ("ok", b"nonsense", False),
        ("ok", pack({}), False),
        ("ok", pack(replace(has("10.0.0.1"), clock="now")), False),  # type: ignore[arg-type]
        ("ok", pack(replace(has("10.0.0.1"), programs=[])), False),  # type: ignore[arg-type]
    ],
)
def test_what_a_machine_says_of_itself_is_looked_at(result: str, answer: object, read: bool) -> None:
    assert (read_report(result, answer) is not None) is read


@pytest.mark.parametrize(
    ("status", "grows"),
    [
        (None, None),
        (b"", None),
        (b"nonsense", None),
        (b"[]", None),
        (b'{"load_metrics_report": {}}', None),
        (b'{"autoscaler_report": {"node_type_mapping": null, "pending_launches": {}}}', None),
        (b'{"autoscaler_report": {"node_type_mapping": {}, "pending_launches": {}}}', None),
        (b'{"autoscaler_report": {"node_type_mapping": {"1f": "node_1f"}, "pending_launches": {}}}', False),
        (b'{"autoscaler_report": {"node_type_mapping": {"1f": "ray.head.default"}, "pending_launches": {}}}', True),
        (b'{"autoscaler_report": {"node_type_mapping": {}, "pending_launches": {"gpu_node": 1}}}', True),
    ],
)  # fmt: skip
def test_whether_machines_can_come_by_themselves(status: bytes | None, grows: bool | None) -> None:
    assert can_grow(status) is grows


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("", True),
        ("auto", True),
        ("10.0.0.1:6379", True),
        ("head.example:6379", True),
        ("ray://head.example:10001", False),
        ("[::1]:6379", True),
        ("nonsense", False),
        ("10.0.0.1", False),
        ("http://10.0.0.1:8265", False),
        ("a:b", False),
    ],
)
def test_what_is_an_address_of_a_cluster(address: str, good: bool) -> None:
    if good:
        check_address(address)
    else:
        with pytest.raises(
            UserError, match="is no address of a cluster: it is auto, or HOST:PORT of its head"
        ):
            check_address(address)
