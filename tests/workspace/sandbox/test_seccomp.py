"""The filter of system calls, run by an interpreter of the few instructions that it is made of."""

import errno
import struct

import pytest

from agentbatch.workspace.sandbox import seccomp
from agentbatch.workspace.sandbox.seccomp import ALLOW, ERROR, KILL, compiled, program

X86_64, I386, AARCH64, ARM, RISCV64 = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028, 0xC00000F3
NEWUSER, SIGCHLD = 0x10000000, 17
EPERM, ENOSYS, NO_FAMILY = (ERROR | one for one in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT))


def answer(machine: str, audit: int, number: int, argument: int = 0, second: int = 0) -> int:
    """What the kernel does with that call, by seccomp(2) and linux/bpf_common.h."""
    call = struct.pack("=iIQ6Q", number, audit, 0, argument, second, *[0] * 4)
    steps, at, held = list(struct.iter_unpack("=HBBI", compiled(machine))), 0, 0
    while True:
        code, holds, fails, value = steps[at]
        at += 1
        if code == seccomp.RETURN:
            return int(value)
        if code == seccomp.LOAD:
            (held,) = struct.unpack_from("=I", call, value)
            continue
        is_so = {
            seccomp.EQUAL: held == value,
            seccomp.AT_LEAST: held >= value,
            seccomp.ANY_BIT: bool(held & value),
        }[code]
        at += holds if is_so else fails


@pytest.mark.parametrize(
    ("machine", "audit", "number", "argument", "expected"),
    [
        # unshare
        ("x86_64", X86_64, 272, NEWUSER, EPERM),
        ("x86_64", X86_64, 272, NEWUSER | 0x20000, EPERM),
        ("x86_64", X86_64, 272, NEWUSER | 1 << 40, EPERM),
        ("x86_64", X86_64, 272, 0x200, ALLOW),
        ("x86_64", X86_64, 272, NEWUSER << 32, ALLOW),
        ("x86_64", I386, 310, NEWUSER, EPERM),
        ("x86_64", I386, 272, NEWUSER, ALLOW),
        ("aarch64", AARCH64, 97, NEWUSER, EPERM),
        ("aarch64", ARM, 337, NEWUSER, EPERM),
        # clone
        ("x86_64", X86_64, 56, NEWUSER | SIGCHLD, EPERM),
        ("x86_64", X86_64, 56, SIGCHLD, ALLOW),
        ("x86_64", I386, 120, NEWUSER | SIGCHLD, EPERM),
        ("x86_64", I386, 120, SIGCHLD, ALLOW),
        ("aarch64", AARCH64, 220, NEWUSER, EPERM),
        ("aarch64", ARM, 120, NEWUSER, EPERM),
        *(
            (machine, audit, 435, 0, ENOSYS)
            for machine, audit in (("x86_64", X86_64), ("x86_64", I386), ("aarch64", AARCH64), ("aarch64", ARM))
        ),
        # x32, and a number that a debugger has put there
        ("x86_64", X86_64, 0x40000000 + 272, NEWUSER, ENOSYS),
        ("x86_64", X86_64, 0x40000000, 0, ENOSYS),
        ("x86_64", X86_64, -1, 0, ALLOW),
        ("aarch64", AARCH64, -1, 0, ALLOW),
        # another way of the kernel's, which there is not
        ("x86_64", AARCH64, 0, 0, KILL),
        ("x86_64", RISCV64, 0, 0, KILL),
        ("aarch64", X86_64, 0, 0, KILL),
        # sockets
        ("x86_64", X86_64, 41, 40, NO_FAMILY),
        ("x86_64", X86_64, 41, 40 | 7 << 32, NO_FAMILY),
        ("x86_64", X86_64, 41, 2, ALLOW),
        ("x86_64", X86_64, 41, 1, ALLOW),
        ("x86_64", I386, 359, 40, NO_FAMILY),
        ("x86_64", I386, 102, 1, ENOSYS),
        ("x86_64", I386, 102, 2, ALLOW),
        ("aarch64", AARCH64, 198, 40, NO_FAMILY),
        ("aarch64", ARM, 281, 40, NO_FAMILY),
        # keys, the kernel's words, rings, and into the kernel
        *(("x86_64", X86_64, number, 0, ENOSYS) for number in (248, 249, 250, 425, 321, 298, 323)),
        *(("x86_64", I386, number, 0, ENOSYS) for number in (286, 287, 288, 425, 357, 336, 374)),
        *(("aarch64", AARCH64, number, 0, ENOSYS) for number in (217, 218, 219, 425, 280, 241, 282)),
        *(("aarch64", ARM, number, 0, ENOSYS) for number in (309, 310, 311, 425, 386, 364, 388)),
        ("x86_64", X86_64, 103, 3, EPERM),
        ("aarch64", AARCH64, 116, 3, EPERM),
        # the first, what threads, debuggers and builds call, and one that is not there yet
        *(("x86_64", X86_64, number, 0, ALLOW) for number in (0, 1, 57, 58, 59, 101, 135, 165, 308, 310, 999)),
    ],
)  # fmt: skip
def test_what_is_refused(machine: str, audit: int, number: int, argument: int, expected: int) -> None:
    assert answer(machine, audit, number, argument) == expected


def test_every_refusal_holds_for_every_way_that_has_the_call() -> None:
    for machine, ways in seccomp.MACHINES.items():
        for way in ways:
            for refused in seccomp.REFUSED:
                number = seccomp.NUMBERS[way.audit].get(refused.call)
                if number is None:
                    assert refused.call == "socketcall"
                else:
                    arguments = [0] * refused.argument + [refused.bits or refused.equals]
                    assert answer(machine, way.audit, number, *arguments) == ERROR | refused.error


@pytest.mark.parametrize(
    ("audit", "number"),
    [(X86_64, 16), (I386, 54), (AARCH64, 29), (ARM, 54)],
    ids=["x86_64", "i386", "arm64", "arm"],
)
def test_no_terminal_is_typed_into(audit: int, number: int) -> None:
    """By the lower half of what is asked for, as the kernel takes it (CVE-2019-10063)."""
    machine = "x86_64" if audit in (X86_64, I386) else "aarch64"
    for asked in (0x5412, 0x541C, 0x5412 | 1 << 32):
        assert answer(machine, audit, number, 7, asked) == EPERM
    for asked in (0x5401, 0x5413, 0x5411, 0):
        assert answer(machine, audit, number, 0x5412, asked) == ALLOW


@pytest.mark.parametrize("machine", ["riscv64", "s390x", "", "x86_64 "])
def test_none_for_a_machine_that_is_not_known(machine: str) -> None:
    assert compiled(machine) == b""


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_the_kernel_takes_it(machine: str) -> None:
    """Jumps go forward, by a byte, to an instruction; the last one returns (seccomp_check_filter of Linux)."""
    steps = program(machine)
    assert len(steps) <= 4096
    for at, step in enumerate(steps):
        assert 0 <= step.holds <= 255
        assert 0 <= step.fails <= 255
        assert at + 1 + max(step.holds, step.fails) < len(steps) or step.code == seccomp.RETURN
    assert steps[-1].code == seccomp.RETURN
