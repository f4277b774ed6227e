"""Asks the kernel for what a task's commands may not have, each in a child of its own, by the numbers of x86_64 and of
its 32 bit programs. Run inside: prints the error of each, in the order of ASKED; 0: it was done; -1: it was killed."""

import ctypes
import mmap
import os
import struct
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
NEWUSER, NEWNS, SIGCHLD, VSOCK, STREAM = 0x10000000, 0x20000, 17, 40, 1
X32, TIOCSTI = 0x40000000, 0x5412
MAP_32BIT = 0x40

code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes.fromhex("53 89f8 89f3 89d1 cd80 5b c3"))
"""push rbx; mov eax, edi; mov ebx, esi; mov ecx, edx; int 0x80; pop rbx; ret"""
int_80 = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int] * 3)(
    ctypes.addressof(ctypes.c_char.from_buffer(code))
)
memory = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_32BIT)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
SOCKET_AT, CLONE_AT = address, address + 64
memory[:12] = struct.pack("=3I", VSOCK, STREAM, 0)
memory[64:152] = struct.pack("=11Q", NEWUSER, 0, 0, 0, SIGCHLD, *[0] * 6)
EVENT = struct.pack("=II", 1, 120) + bytes(112)


def call(number: int, *words: int | bytes) -> int:
    done = libc.syscall(
        ctypes.c_long(number), *(ctypes.c_long(one) if isinstance(one, int) else one for one in words)
    )
    return 0 if done >= 0 else ctypes.get_errno()


def by_80(number: int, *words: int) -> int:
    first, second = (ctypes.c_int(one & 0xFFFFFFFF).value for one in (*words, 0)[:2])
    done: int = int_80(number, first, second)
    return max(0, -done)


ASKED: dict[str, Callable[[], int]] = {
    "unshare": lambda: call(272, NEWUSER),
    "unshare, mounts too": lambda: call(272, NEWUSER | NEWNS),
    "unshare, mounts alone": lambda: call(272, NEWNS),
    "clone": lambda: call(56, NEWUSER | SIGCHLD, 0, 0, 0, 0),
    "clone3": lambda: call(435, CLONE_AT, 88),
    "unshare by int 0x80": lambda: by_80(310, NEWUSER),
    "clone by int 0x80": lambda: by_80(120, NEWUSER | SIGCHLD),
    "clone3 by int 0x80": lambda: by_80(435, CLONE_AT, 88),
    "unshare by x32": lambda: call(X32 + 272, NEWUSER),
    "clone by x32": lambda: call(X32 + 56, NEWUSER | SIGCHLD, 0, 0, 0, 0),
    "a keyring": lambda: call(250, 0, -3, 1),
    "a key": lambda: call(248, b"user", b"red-team", b"x", 1, -4),
    "a keyring by int 0x80": lambda: by_80(288, 0, -3),
    "the kernel's log": lambda: call(103, 10, 0, 0),
    "vsock": lambda: call(41, VSOCK, STREAM, 0),
    "vsock, with more": lambda: call(41, VSOCK | 1 << 32, STREAM, 0),
    "vsock by int 0x80": lambda: by_80(359, VSOCK, STREAM),
    "vsock by socketcall": lambda: by_80(102, 1, SOCKET_AT),
    "typing": lambda: call(16, 0, TIOCSTI, b"x"),
    "typing, with more": lambda: call(16, 0, TIOCSTI | 1 << 32, b"x"),
    "typing by int 0x80": lambda: by_80(54, 0, TIOCSTI),
    "pasting": lambda: call(16, 0, 0x541C, b"\3"),
    "io_uring": lambda: call(425, 8, bytes(120)),
    "bpf": lambda: call(321, 0, 0, 0),
    "perf": lambda: call(298, EVENT, 0, -1, -1, 0),
    "userfaultfd": lambda: call(323, 1),
    "a child": lambda: call(56, SIGCHLD, 0, 0, 0, 0),
    "a socket": lambda: call(41, 2, STREAM, 0),
}


def asked(ask: Callable[[], int]) -> int:
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        error = ask()
        if os.getppid() == parent:  # else it is a clone of the child
            os.write(writing, b"%d" % error)
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as file:
        return int(file.read() or b"-1")


if __name__ == "__main__":
    print(*map(asked, ASKED.values()))  # noqa: T201
