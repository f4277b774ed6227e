"""Access control: decided for every request from its headers, before anything else handles it.

Three checks. Does `Host` name this server (another name means DNS rebinding)? Does the browser have the cookie that
the token in the printed address is exchanged for? Does a WebSocket, or anything but a GET, come from our own page
(browsers put the page's address into `Origin`, and no script can change it)?
"""

import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agentbatch.patterns import regex

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})

FOREIGN_HOST = (
    "The browser used a host name that is not this dashboard's. Open the address that `agentbatch dashboard` "
    "printed."
)
NO_COOKIE = (
    "This browser has not sent the dashboard's token yet. Open the full address that `agentbatch dashboard` "
    "printed, with its ?token=… (paste it: a link on another site does not work)."
)
WRONG_TOKEN = (
    "The token in this address is not valid; each start creates a new one. Open the address that "
    "`agentbatch dashboard` printed last."
)
FOREIGN_ORIGIN = "This request came from a page that is not the dashboard's own."

_HOST = regex(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[^\s:/@\[\]]+))(?::\d{1,5})?")


@dataclass(frozen=True)
class RequestHeaders:
    """What access depends on. Header values unchanged, one for each time that the header was sent."""

    method: str
    hosts: Sequence[str]
    origins: Sequence[str]
    cookie: str | None
    """Value of the cookie `Access.cookie_name`."""
    upgrade: bool = False
    """It requests a WebSocket."""
    arrived_at: str = ""
    """The local address of the connection: a valid host name, too."""


class Access:
    """The secrets of one dashboard, and the requests that they allow."""

    def __init__(self, names: Collection[str] = ()) -> None:
        """`names`: valid host names and addresses besides those of the loopback."""
        self.token = secrets.token_urlsafe(24)
        """Part of the printed address; valid as long as the server runs."""
        self.cookie_name = f"agentbatch_{secrets.token_hex(4)}"
        """Browsers separate cookies by host, not by port: a unique name separates two dashboards."""
        self.cookie = secrets.token_urlsafe(32)
        self._names = LOOPBACK_NAMES | {name.lower() for name in names}
        self._one_time: set[str] = set()

    def one_time_token(self) -> str:
        """A token for a browser's command line, which every user of this machine can read: the first request
        invalidates it."""
        token = secrets.token_urlsafe(24)
        self._one_time.add(token)
        return token

    def token_is_valid(self, token: str) -> bool:
        """Whether the token is valid. A one-time token is not any more after this."""
        matches = [candidate for candidate in (self.token, *self._one_time) if _same(candidate, token)]
        self._one_time.difference_update(matches)
        return bool(matches)

    def foreign_host(self, headers: RequestHeaders) -> str | None:
        """Why the request is refused regardless of its token and cookie: it names another server. None: it does not."""
        name = _name_of(headers.hosts)
        ours = name is not None and (name in self._names or name == headers.arrived_at.lower())
        return None if ours else FOREIGN_HOST

    def refusal(self, headers: RequestHeaders) -> str | None:
        """Why the request is refused, as a sentence for the user; None: it is allowed."""
        foreign = self.foreign_host(headers)
        if foreign is not None:
            return foreign
        if headers.cookie is None or not _same(self.cookie, headers.cookie):
            return NO_COOKIE
        ours = [f"http://{headers.hosts[0].lower()}"]
        if (headers.upgrade or headers.method != "GET") and [o.lower() for o in headers.origins] != ours:
            return FOREIGN_ORIGIN
        return None


def _same(ours: str, theirs: str) -> bool:
    # Bytes: compare_digest accepts only ASCII text, and headers may contain any.
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogateescape"))


def _name_of(hosts: Sequence[str]) -> str | None:
    """The name in the only Host header, in lower case; None: none, several, or a malformed one.

    The port does not matter: with `ssh -L` it differs, and no attacker's page can be at an address of ours.
    """
    match = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
    return None if match is None else match["v6"] or match["name"]
