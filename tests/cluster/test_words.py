"""What people read of losses, and what a task asks a cluster for: tables."""

import pytest

from agentbatch.cluster.losses import in_words
from agentbatch.cluster.station import options_of
from agentbatch.cluster.terms import Lease


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The actor died unexpectedly.\n\tip: 10.0.0.4\nThe actor died because its node has died.", "the node is gone"),
        ("The actor 8beb is unavailable: RpcError: RPC error: recvmsg", "it cannot be reached"),
        ("The actor is dead because its owner has died. Owner Id: 01", "the engine's connection ended"),
        ("The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR", "its process ended"),
        ("Task was killed due to the node running low on memory.", "its memory was used up"),
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
