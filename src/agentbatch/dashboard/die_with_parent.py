"""A script that turns into the served command, and dies with the server whatever becomes of that (Linux).

`python -I -S leash.py SERVER_PID ARGV...`: kill -9 of the server runs none of its code, so the kernel has to see to it.
Elsewhere than on Linux it only makes sure that the server is still there.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2). The promise outlives execve(2)."""


def main(words: list[str]) -> None:
    server, *argv = words
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(server):
        sys.exit("the dashboard has ended already")
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
