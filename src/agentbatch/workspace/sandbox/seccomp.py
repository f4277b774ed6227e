"""What a task's commands may not ask of the kernel, as a program that the kernel runs before each system call
(seccomp(2), struct sock_filter of linux/filter.h). Pure.

Above all a user namespace of their own: in one a command has all rights, unmounts what covers a hidden place, and
renames or removes it. The rest is what is not kept apart by bubblewrap's namespaces, or has let programs out of them
so often that engines for containers refuse it too (moby/profiles, seccomp/default_linux.go; flatpak, setup_seccomp).
"""

import errno
import platform
import struct
from typing import NamedTuple

CLONE_NEWUSER = 0x10000000
AF_VSOCK = 40
SYS_SOCKET = 1
"""Of socketcall(2)."""
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""Of ioctl(2)."""


class RefusedCall(NamedTuple):
    """One system call that is not made."""

    call: str
    error: int
    bits: int = 0
    """Only where its argument has one of these; 0: always."""
    equals: int = 0
    """Only where its argument is this; 0: always."""
    argument: int = 0
    """Which of them that is, from 0."""


REFUSED = (
    RefusedCall("unshare", errno.EPERM, bits=CLONE_NEWUSER),
    RefusedCall("clone", errno.EPERM, bits=CLONE_NEWUSER),
    # Its flags lie in memory, where no filter sees them. For this error libraries use clone instead
    # (CVE-2021-41133; moby/moby 42681).
    RefusedCall("clone3", errno.ENOSYS),
    # Keys of the user whose session started us, which lie in no namespace; and notes from one command to the next.
    # For this error runc, systemd and Kerberos go on without.
    RefusedCall("add_key", errno.ENOSYS),
    RefusedCall("request_key", errno.ENOSYS),
    RefusedCall("keyctl", errno.ENOSYS),
    # What the machine's kernel has said.
    RefusedCall("syslog", errno.EPERM),
    # The host of a virtual machine, and its other guests, which --no-network does not keep away (moby/moby 44562).
    RefusedCall("socket", errno.EAFNOSUPPORT, equals=AF_VSOCK),
    # Its arguments lie in memory: libraries use socket instead.
    RefusedCall("socketcall", errno.ENOSYS, equals=SYS_SOCKET),
    # Makes sockets of any kind without asking for one; libuv and others go on without it (moby/moby 46762).
    RefusedCall("io_uring_setup", errno.ENOSYS),
    # Types into a terminal, or pastes: that of a person who looks into a task's place (CVE-2017-5226, CVE-2023-28100).
    RefusedCall("ioctl", errno.EPERM, equals=TIOCSTI, argument=1),
    RefusedCall("ioctl", errno.EPERM, equals=TIOCLINUX, argument=1),
    # Into the kernel itself; as a rule closed to users anyway, by settings that differ from machine to machine.
    RefusedCall("bpf", errno.ENOSYS),
    RefusedCall("perf_event_open", errno.ENOSYS),
    RefusedCall("userfaultfd", errno.ENOSYS),
)
"""Not in it: `ptrace` (debuggers; no process of another is seen), `mount` and its like and `setns` (without a user
namespace they need rights that no command has), `personality` (`setarch`, debuggers)."""


class Machine(NamedTuple):
    """A way in which programs speak with a kernel."""

    audit: int
    """AUDIT_ARCH_* of linux/audit.h."""
    x32: bool = False
    """Numbers from X32 on are another way, of its own numbers."""


X32 = 0x40000000
"""__X32_SYSCALL_BIT."""
SKIPPED = 0xFFFFFFFF
"""What a debugger puts in the place of a number, so that nothing is called."""

MACHINES = {
    "x86_64": (Machine(0xC000003E, x32=True), Machine(0x40000003)),
    "aarch64": (Machine(0xC00000B7), Machine(0x40000028)),
}
"""By `platform.machine()`: its own way, then that of its 32 bit programs, by which any program may speak."""

_NUMBERS = """
unshare            272  310   97  337
clone               56  120  220  120
clone3             435  435  435  435
add_key            248  286  217  309
request_key        249  287  218  310
keyctl             250  288  219  311
syslog             103  103  116  103
socket              41  359  198  281
socketcall           -  102    -    -
ioctl               16   54   29   54
io_uring_setup     425  425  425  425
bpf                321  357  280  386
perf_event_open    298  336  241  364
userfaultfd        323  374  282  388
"""
"""Of x86_64, i386, aarch64, arm (arch/*/tools/syscall.tbl, include/uapi/asm-generic/unistd.h of Linux)."""
_ROWS = [line.split() for line in _NUMBERS.strip().splitlines()]
NUMBERS = {
    machine.audit: {row[0]: int(row[column]) for row in _ROWS if row[column] != "-"}
    for column, machine in enumerate((machine for both in MACHINES.values() for machine in both), 1)
}
"""By AUDIT_ARCH_*: the calls' numbers."""

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, …JGE…, …JSET…, BPF_RET|BPF_K."""
NUMBER, ARCHITECTURE, ARGUMENTS, WIDTH = 0, 4, 16, 8
"""Places in struct seccomp_data; of an argument the lower half, which is all that kernels look at here."""
ALLOW, ERROR, KILL = 0x7FFF0000, 0x00050000, 0x80000000
"""SECCOMP_RET_ALLOW, _ERRNO, _KILL_PROCESS."""


class Step(NamedTuple):
    """An instruction. A jump says how many are left out where it holds, and where it does not."""

    code: int
    value: int
    holds: int = 0
    fails: int = 0


def program(machine: str) -> list[Step]:
    """For a kernel of `machine`, as `platform.machine()` names it; empty: that is not known here."""
    steps = [Step(LOAD, ARCHITECTURE)] if machine in MACHINES else []
    for way in MACHINES.get(machine, ()):
        part = _part(way)
        steps += [Step(EQUAL, way.audit, fails=len(part)), *part]
    return [*steps, Step(RETURN, KILL)] if steps else []


def _part(way: Machine) -> list[Step]:
    steps = [Step(LOAD, NUMBER)]
    if way.x32:
        unknown = [Step(EQUAL, SKIPPED, fails=1), Step(RETURN, ALLOW), Step(RETURN, ERROR | errno.ENOSYS)]
        steps += [Step(AT_LEAST, X32, fails=len(unknown)), *unknown]
    for refused in REFUSED:
        number = NUMBERS[way.audit].get(refused.call)
        if number is not None:
            answer = _answer(refused)
            steps += [Step(EQUAL, number, fails=len(answer)), *answer]
    return [*steps, Step(RETURN, ALLOW)]


def _answer(refused: RefusedCall) -> list[Step]:
    error = Step(RETURN, ERROR | refused.error)
    if not refused.bits and not refused.equals:
        return [error]
    holds = Step(ANY_BIT, refused.bits) if refused.bits else Step(EQUAL, refused.equals)
    load = Step(LOAD, ARGUMENTS + WIDTH * refused.argument)
    return [load, holds._replace(fails=1), error, Step(LOAD, NUMBER)]


def compiled(machine: str = platform.machine()) -> bytes:
    """The same as the kernel takes it, for `bwrap --seccomp`."""
    steps = program(machine)
    return b"".join(struct.pack("=HBBI", step.code, step.holds, step.fails, step.value) for step in steps)
