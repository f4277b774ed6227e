"""Ports on which a server of a test can come back after it was gone."""

import random
import socket
from pathlib import Path


def quiet_port() -> int:
    """A free one that the system gives to nobody who asks for any: of a server that is gone it stays free."""
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    below = int(ephemeral.read_text().split()[0]) if ephemeral.exists() else 32768
    while True:
        port = random.randrange(max(below - 20_000, 1024), below)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
