"""A user namespace of a command's own, in which it would have all rights, by every way to ask the kernel for one; and
what else lies in no namespace of bubblewrap's."""

import asyncio
import errno
import os
import platform
import tempfile
from pathlib import Path

import pytest

from agentbatch.workspace.sandbox.sandbox import SandboxChoice
from tests.support import kernel_calls
from tests.support.containers import podman, turn_inside
from tests.support.red_team import (
    Attempt,
    BuildHouse,
    House,
    Outcome,
    build_house,
    hand_over,
    remove_house,
    tried,
)

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")

ASKS = Attempt("asks", "python3 asks.py")
TOOLS = [
    Attempt("unshare", "unshare -Ur true && echo wrote"),
    Attempt("unshare-mounts", "unshare -Urm true && echo wrote"),
    Attempt("bwrap", "bwrap --unshare-user --ro-bind / / true && echo wrote"),
]
DONE, KILLED = 0, -1

EXPECTED = {
    "unshare": errno.EPERM,
    "unshare, mounts too": errno.EPERM,
    "unshare, mounts alone": errno.EPERM,
    "clone": errno.EPERM,
    "clone3": errno.ENOSYS,
    "unshare by int 0x80": errno.EPERM,
    "clone by int 0x80": errno.EPERM,
    "clone3 by int 0x80": errno.ENOSYS,
    "unshare by x32": errno.ENOSYS,
    "clone by x32": errno.ENOSYS,
    "a keyring": errno.ENOSYS,
    "a key": errno.ENOSYS,
    "a keyring by int 0x80": errno.ENOSYS,
    "the kernel's log": errno.EPERM,
    "vsock": errno.EAFNOSUPPORT,
    "vsock, with more": errno.EAFNOSUPPORT,
    "vsock by int 0x80": errno.EAFNOSUPPORT,
    "vsock by socketcall": errno.ENOSYS,
    "typing": errno.EPERM,
    "typing, with more": errno.EPERM,
    "typing by int 0x80": errno.EPERM,
    "pasting": errno.EPERM,
    "io_uring": errno.ENOSYS,
    "bpf": errno.ENOSYS,
    "perf": errno.ENOSYS,
    "userfaultfd": errno.ENOSYS,
    "a child": DONE,
    "a socket": DONE,
}


def answers(outcome: Outcome) -> dict[str, int]:
    return dict(zip(kernel_calls.ASKED, map(int, outcome.output.split()), strict=True))


def with_asks(house: House) -> House:
    (house.root / "asks.py").write_text(Path(kernel_calls.__file__).read_text())
    return house


def test_the_kernel_refuses_it_in_bubblewrap(
    bubblewrap: SandboxChoice, build: BuildHouse, user: int | None
) -> None:
    house = with_asks(build())
    if user is not None:
        hand_over(house.folder, user)
    done = tried(house, [ASKS, *TOOLS], bubblewrap, user)
    assert answers(done.pop("asks")) == EXPECTED
    assert [outcome.output for outcome in done.values() if "wrote" in outcome.output] == []


@pytest.mark.slow
@pytest.mark.parametrize("network", [True, False], ids=["network", "no network"])
def test_the_kernel_refuses_it_in_a_container(network: bool) -> None:
    podman()
    base = "/var/lib" if os.access("/var/lib", os.W_OK) else None
    house = with_asks(build_house(Path(tempfile.mkdtemp(prefix="agentbatch-house-", dir=base)).resolve()))
    try:
        (done,) = asyncio.run(turn_inside(house, [ASKS, *TOOLS], network=network))
    finally:
        remove_house(house)
    found = answers(done.pop("asks"))
    sockets = {name for name in EXPECTED if name.startswith("vsock")}
    # Without a network no program speaks with the kernel as those of 32 bit do.
    strange = {name for name in EXPECTED if name.endswith(("by int 0x80", "by socketcall", "by x32"))}
    refused = {name for name in EXPECTED if EXPECTED[name] != DONE} - (sockets if network else set())
    assert {name for name in refused if found[name] == DONE} == set()
    assert {name for name in strange if found[name] != KILLED} == (strange if network else set())
    assert {name: found[name] for name in ("clone3", "a keyring", "a child", "a socket")} == {
        name: EXPECTED[name] for name in ("clone3", "a keyring", "a child", "a socket")
    }
    assert [outcome.output for outcome in done.values() if "wrote" in outcome.output] == []
