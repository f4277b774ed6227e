"""Where the dashboard listens: a socket, its host names, the errors for a port in use, and the printed address."""

import errno
import ipaddress
import socket
import textwrap
from dataclasses import dataclass

from agentbatch.errors import UserError
from agentbatch.text import clip

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 3008
PORTS_TRIED = 20
"""Ports after one in use that are tried, to suggest a free one."""
COLUMNS = 80


@dataclass(frozen=True)
class Listener:
    """A listening socket, and its address."""

    socket: socket.socket
    host: str
    """As requested."""

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    @property
    def address(self) -> str:
        return str(self.socket.getsockname()[0])

    @property
    def is_loopback(self) -> bool:
        return ipaddress.ip_address(self.address.partition("%")[0]).is_loopback

    @property
    def is_on_all_addresses(self) -> bool:
        """Whether it listens on all addresses of this machine."""
        return ipaddress.ip_address(self.address.partition("%")[0]).is_unspecified

    @property
    def names(self) -> frozenset[str]:
        """Host names that a browser may use."""
        return frozenset({self.host, socket.gethostname()} if self.is_on_all_addresses else {self.host})

    def url(self, token: str) -> str:
        name = socket.gethostname() if self.is_on_all_addresses else self.host
        shown = f"[{name}]" if ":" in name else name
        return f"http://{shown}:{self.port}/?token={token}"


def listen(host: str, port: int) -> Listener:
    """Bind the port; 0: any free one. Raises UserError, which suggests a free port when this one is in use."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise UserError(
            f"--host: {clip(host, 100)!r} is not a name or address of this machine. The default is {DEFAULT_HOST}."
        ) from None
    try:
        return Listener(_listening(family, kind, protocol, address), host)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = _free_port(family, kind, protocol, address)
            raise UserError(
                f"Port {port} of {clip(host, 100)} is in use, maybe by another dashboard. Port {free} is free: "
                f"agentbatch dashboard --port {free}."
            ) from None
        if error.errno == errno.EACCES:
            raise UserError(
                f"You may not use port {port}: choose one above 1023, for example --port {DEFAULT_PORT}."
            ) from None
        raise UserError(
            f"--host: cannot listen on {clip(host, 100)}: {error.strerror or error}. The default is {DEFAULT_HOST}."
        ) from None


def _listening(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, kind, protocol)
    try:
        # A port whose last connections have just closed is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _free_port(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> int:
    """Preferably just after the one in use."""
    host, taken, *rest = address
    assert isinstance(taken, int)
    for port in (*range(taken + 1, min(taken + PORTS_TRIED, 65535) + 1), 0):
        try:
            listener = _listening(family, kind, protocol, (host, port, *rest))
        except OSError:
            continue
        with listener:
            return int(listener.getsockname()[1])
    raise UserError("No port of this machine is free.")


def announcement(run_id: str, listener: Listener, token: str, *, control: bool) -> list[str]:
    """What `agentbatch dashboard` prints: lines of at most 80 columns, except for a longer address."""
    lines = [f"Dashboard of run {run_id}:", "", f"  {listener.url(token)}", ""]
    if not listener.is_loopback:
        lines += [*textwrap.wrap(_warning(listener, control=control), COLUMNS), ""]
    if control:
        lines.append("Commands are allowed (--control): anyone with this address can control the run.")
    else:
        lines.append("Read-only; --control allows commands.")
    lines.append("Ctrl-C stops the dashboard. The run continues.")
    return lines


def _warning(listener: Listener, *, control: bool) -> str:
    controlled = " and control it" if control else ""
    return (
        f"Warning: --host {clip(listener.host, 60)} lets other machines in. Anyone who can reach this port and has the "
        f"address can see the run's prompts, files and commands{controlled}. The connection is not encrypted: anyone "
        "who can read its traffic gets the address, too. Safer, without --host: "
        f"ssh -L {listener.port}:127.0.0.1:{listener.port} to this machine."
    )
