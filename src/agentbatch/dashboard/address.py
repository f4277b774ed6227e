"""Where the dashboard listens: a socket, the names that it goes by, and what to say when a port is taken."""

import errno
import ipaddress
import socket
from dataclasses import dataclass

from agentbatch.errors import UserError
from agentbatch.text import clip

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 3008
NEAR = 20
"""Ports behind a taken one that are tried for a proposal."""


@dataclass(frozen=True)
class Place:
    """A listening socket, and how it is reached."""

    socket: socket.socket
    host: str
    """As it was asked for."""

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    @property
    def address(self) -> str:
        return str(self.socket.getsockname()[0])

    @property
    def only_this_machine(self) -> bool:
        return ipaddress.ip_address(self.address.partition("%")[0]).is_loopback

    @property
    def everywhere(self) -> bool:
        """It listens on all addresses of this machine."""
        return ipaddress.ip_address(self.address.partition("%")[0]).is_unspecified

    @property
    def names(self) -> frozenset[str]:
        """That a browser may ask for it by."""
        return frozenset({self.host, socket.gethostname()} if self.everywhere else {self.host})

    def url(self, token: str) -> str:
        name = socket.gethostname() if self.everywhere else self.host
        shown = f"[{name}]" if ":" in name else name
        return f"http://{shown}:{self.port}/?token={token}"


def listen(host: str, port: int) -> Place:
    """Take the port. 0: any free one. Raises UserError, which names a free port when this one is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise UserError(
            f"--host: {clip(host, 100)!r} is no name or address of this machine. {DEFAULT_HOST} is the usual one."
        ) from None
    try:
        return Place(_listening(family, kind, protocol, address), host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = _free_port(family, kind, protocol, address)
            raise UserError(
                f"Port {port} of {clip(host, 100)} is taken, maybe by another dashboard. Port {free} is free: "
                f"agentbatch dashboard --port {free}."
            ) from None
        if error.errno == errno.EACCES:
            raise UserError(
                f"Port {port} may not be used by you: take one from 1024 on, for example --port {DEFAULT_PORT}."
            ) from None
        raise UserError(
            f"--host: cannot listen on {clip(host, 100)}: {error.strerror or error}. {DEFAULT_HOST} is the usual "
            "address."
        ) from None


def _listening(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    place = socket.socket(family, kind, protocol)
    try:
        # A port whose last connections have just been closed is free.
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(address)
        place.listen(128)
        place.setblocking(False)
    except OSError:
        place.close()
        raise
    return place


def _free_port(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> int:
    """Near the taken one where there is one."""
    host, taken, *rest = address
    assert isinstance(taken, int)
    for port in (*range(taken + 1, min(taken + NEAR, 65535) + 1), 0):
        try:
            place = _listening(family, kind, protocol, (host, port, *rest))
        except OSError:
            continue
        with place:
            return int(place.getsockname()[1])
    raise UserError("No port of this machine is free.")
