"""Runs inside a sandbox without a network, before the program and in its place until that begins: it listens on
loopback there and sends home who listens. The standard library alone; it is given to an interpreter as a text.

    python -I -S -c TEXT HANDLE PORT COMMAND...
"""

import os
import socket
import sys

if __name__ == "__main__":
    handle, port, *command = sys.argv[1:]
    with (
        socket.socket(fileno=int(handle)) as home,
        socket.create_server(("127.0.0.1", int(port))) as listening,
    ):
        socket.send_fds(home, [b"!"], [listening.fileno()])
    os.execv(command[0], command)
