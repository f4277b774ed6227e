"""A script that execs the served command so that it dies with the server, whatever happens to that (Linux).

`python -I -S die_with_parent.py SERVER_PID ARGV...`: a server killed with -9 runs no code of its own, so the kernel has
to do it. On other systems the script only checks that the server is still running.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2). It survives execve(2)."""


def main(arguments: list[str]) -> None:
    server, *argv = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(server):
        sys.exit("the dashboard has already stopped")
    os.execv(argv[0], argv)


if __name__ == "__main__":
    main(sys.argv[1:])
