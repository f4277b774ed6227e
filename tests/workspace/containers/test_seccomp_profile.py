"""What becomes of an engine's profile of system calls, as its runtime would take it."""

import errno
from typing import Any

import pytest

from agentbatch.workspace.containers.seccomp_profile import hardened

NEWUSER, NEWNS = 0x10000000, 0x20000
NOT_THERE, REFUSED = f"error {errno.ENOSYS}", f"error {errno.EPERM}"

PODMAN: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": errno.ENOSYS,
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": None},
    ],
    "syscalls": [
        {"names": ["clone", "clone3", "keyctl", "read", "socketcall", "unshare"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["userfaultfd"], "action": "SCMP_ACT_ERRNO", "args": [], "errnoRet": 1},
        {"names": ["bpf", "perf_event_open", "mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["X"]}},
        {"name": "syslog", "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_NE"}]},
    ],
}  # fmt: skip
"""In small, and with all capabilities."""


def answer(profile: dict[str, Any], call: str, argument: int) -> str:
    """Rules that answer a call must not differ: which one counts is the runtime's affair."""
    found = {
        _said(rule)
        for rule in profile["syscalls"]
        if call in rule["names"] and all(_holds(one, argument) for one in rule.get("args") or ())
    }
    assert len(found) <= 1, (call, found)
    return found.pop() if found else _said({**profile, "action": profile["defaultAction"]})


def _said(rule: dict[str, Any]) -> str:
    if rule["action"] == "SCMP_ACT_ALLOW":
        return "allowed"
    return f"error {rule.get('errnoRet', rule.get('defaultErrnoRet'))}"


def _holds(compared: dict[str, Any], argument: int) -> bool:
    """libseccomp, seccomp_rule_add(3): of all 64 bits."""
    value: int = compared["value"]
    match compared["op"]:
        case "SCMP_CMP_MASKED_EQ":
            return argument & value == int(compared["valueTwo"])
        case "SCMP_CMP_NE":
            return argument != value
    assert compared["op"] == "SCMP_CMP_EQ"
    return argument == value


@pytest.mark.parametrize(
    ("call", "argument", "with_network", "without"),
    [
        ("read", 0, "allowed", "allowed"),
        ("mount", 0, "allowed", "allowed"),
        ("unshare", NEWUSER, REFUSED, REFUSED),
        ("unshare", NEWUSER | NEWNS | 1 << 40, REFUSED, REFUSED),
        ("unshare", 0x200, "allowed", "allowed"),
        ("clone", NEWUSER | 17, REFUSED, REFUSED),
        ("clone", 17, "allowed", "allowed"),
        ("clone3", 0, NOT_THERE, NOT_THERE),
        ("keyctl", 0, NOT_THERE, NOT_THERE),
        ("add_key", 0, NOT_THERE, NOT_THERE),
        ("bpf", 0, NOT_THERE, NOT_THERE),
        ("userfaultfd", 0, NOT_THERE, NOT_THERE),
        ("io_uring_setup", 0, NOT_THERE, NOT_THERE),
        ("syslog", 3, REFUSED, REFUSED),
        ("socket", 2, "allowed", "allowed"),
        ("socket", 16, NOT_THERE, "allowed"),
        ("socket", 40, "allowed", NOT_THERE),
        ("socket", 40 | 1 << 32, "allowed", NOT_THERE),
        ("socket", 46, "allowed", NOT_THERE),
        ("socketcall", 1, "allowed", NOT_THERE),
        ("new", 0, NOT_THERE, NOT_THERE),
    ],
)
def test_what_it_says(call: str, argument: int, with_network: str, without: str) -> None:
    assert answer(hardened(PODMAN, network=True), call, argument) == with_network
    assert answer(hardened(PODMAN, network=False), call, argument) == without


def test_programs_of_32_bit_are_left_out_only_without_a_network() -> None:
    ways = [one["subArchitectures"] for one in hardened(PODMAN, network=False)["archMap"]]
    assert ways == [[], []]
    assert hardened(PODMAN, network=True)["archMap"] == PODMAN["archMap"]


def test_one_that_allows_all_says_what_it_refuses_and_no_more() -> None:
    """Runtimes take no rule that says what holds anyway."""
    found = hardened({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}, network=True)
    assert "SCMP_ACT_ALLOW" not in {rule["action"] for rule in found["syscalls"]}
    assert answer(found, "unshare", NEWUSER) == answer(found, "clone", NEWUSER) == REFUSED
    assert answer(found, "unshare", 0x200) == "allowed"


@pytest.mark.parametrize(
    "text",
    [
        [],
        "x",
        {},
        {"defaultAction": 1},
        {"defaultAction": 1, "syscalls": [{}]},
        {"defaultAction": 1, "syscalls": [1]},
    ],
)
def test_what_is_none_is_said(text: Any) -> None:
    with pytest.raises(ValueError, match="no profile of system calls"):
        hardened(text, network=True)
