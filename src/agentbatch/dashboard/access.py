"""Who is let in: decided for every request from its headers, before anything else looks at it.

Three things are asked. Was this server named (a foreign name in `Host` is DNS rebinding)? Does the visitor hold the
cookie that the token in the printed address is exchanged for? Was a WebSocket, or anything but a GET, asked for by a
page of ours (browsers put the page's address into `Origin`, and no script can change that)?
"""

import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})

FOREIGN_HOST = (
    "This dashboard is not known under the name that the browser asked for. Open the address that "
    "`agentbatch dashboard` printed."
)
NO_COOKIE = (
    "This browser has not shown the dashboard's token yet. Open the whole address that `agentbatch dashboard` "
    "printed, with its ?token=… (paste it: a link on another site does not count)."
)
WRONG_TOKEN = (
    "The token in this address is not the one of this dashboard; each start makes a new one. Open the address that "
    "`agentbatch dashboard` printed last."
)
FOREIGN_ORIGIN = "This was asked for by a page that is not the dashboard's own."

_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[^\s:/@\[\]]+))(?::\d{1,5})?")


@dataclass(frozen=True)
class RequestHeaders:
    """What a request says of itself. Header values as they came, one for each time that they were sent."""

    method: str
    hosts: Sequence[str]
    origins: Sequence[str]
    cookie: str | None
    """Value of the cookie of the gate's name."""
    upgrade: bool = False
    """It asks for a WebSocket."""
    arrived_at: str = ""
    """The address of this machine that the connection came in on: under that we are known as well."""


class Access:
    """The secrets of one dashboard, and what they open."""

    def __init__(self, names: Collection[str] = ()) -> None:
        """`names`: host names and addresses that this server goes by, besides those of the loopback."""
        self.token = secrets.token_urlsafe(24)
        """Goes into the printed address; holds as long as the server runs."""
        self.cookie_name = f"agentbatch_{secrets.token_hex(4)}"
        """Browsers keep cookies apart by host and not by port: a name of our own keeps two dashboards apart."""
        self.cookie = secrets.token_urlsafe(32)
        self._names = LOOPBACK_NAMES | {name.lower() for name in names}
        self._once: set[str] = set()

    def token_for_once(self) -> str:
        """A token for the command line of a browser, which every user of this machine can read: the first visit uses
        it up."""
        token = secrets.token_urlsafe(24)
        self._once.add(token)
        return token

    def token_is_valid(self, token: str) -> bool:
        """Whether the token is one of ours. One for once is none any more after this."""
        known = [candidate for candidate in (self.token, *self._once) if _same(candidate, token)]
        self._once.difference_update(known)
        return bool(known)

    def foreign(self, knock: RequestHeaders) -> str | None:
        """Why the request is refused whatever it shows: another server was meant. None: it is not."""
        name = _name_of(knock.hosts)
        known = name is not None and (name in self._names or name == knock.arrived_at.lower())
        return None if known else FOREIGN_HOST

    def refusal(self, knock: RequestHeaders) -> str | None:
        """Why the request is refused, a sentence for whoever sits at the browser; None: it may go on."""
        foreign = self.foreign(knock)
        if foreign is not None:
            return foreign
        if knock.cookie is None or not _same(self.cookie, knock.cookie):
            return NO_COOKIE
        ours = [f"http://{knock.hosts[0].lower()}"]
        if (knock.upgrade or knock.method != "GET") and [o.lower() for o in knock.origins] != ours:
            return FOREIGN_ORIGIN
        return None


def _same(ours: str, theirs: str) -> bool:
    # Bytes: compare_digest takes no text beyond ASCII, and headers may hold any.
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogateescape"))


def _name_of(hosts: Sequence[str]) -> str | None:
    """The name in the one Host header, in small letters; None: none, several, or a broken one.

    The port says nothing: behind `ssh -L` it is another one, and no attacker's page can be at an address of ours.
    """
    match = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
    return None if match is None else match["v6"] or match["name"]
