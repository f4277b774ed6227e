"""Why no answer came from an endpoint, in words for whoever set it up."""

import errno
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

from agentbatch.model.http.proxy import naming_variable
from agentbatch.patterns import regex

_USER = regex(r"//[^\s/]*@")
"""What stands before the host of an address: it may be a password, also that of a proxy."""

_NO_WAY = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
)

_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
"""What OpenSSL makes of the other side's plain HTTP, by its version."""

_OTHER_NAME = frozenset({62, 64})
"""X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH (openssl, x509_vfy.h)."""

_NOT_NOW = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED."""


def without_user(text: str) -> str:
    return _USER.sub("//", text)


def deepest(error: BaseException) -> BaseException:
    """The cause that the packages in between rename."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


class Unreached(NamedTuple):
    """No connection."""

    words: str
    proxy: bool
    """To the proxy, which is not the endpoint's fault."""


def unreached(error: BaseException, url: str, proxy: str | None) -> Unreached | None:
    """Whether it is an error of connecting, under whatever packages have made of it. `proxy`: the one in use."""
    import aiohttp

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, aiohttp.ClientHttpProxyError):
            return Unreached(f"{_place(url, proxy)} answered {cause.status} {cause.message}".rstrip(), True)
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            through = None if isinstance(cause, aiohttp.ClientSSLError) else proxy
            return Unreached(no_connection(deepest(cause), _place(url, through)), through is not None)
        cause = cause.__cause__
    return None


def _place(url: str, proxy: str | None) -> str:
    """Host and port that are connected to, without a user or password."""
    host = urlsplit(proxy or url).netloc.rpartition("@")[2]
    return f"the proxy {host} of {naming_variable(url)}" if proxy else host


def no_connection(cause: BaseException, place: str) -> str:
    """Why there is no connection to `place`: host and port of the endpoint, or of its proxy."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _certificate(cause, place)
    if isinstance(cause, ssl.SSLError):
        return _no_tls(cause, place)
    if isinstance(cause, socket.gaierror):
        if cause.errno == socket.EAI_AGAIN:
            return f"no address can be looked up for {place} ({_said(cause)}): this machine may be offline"
        return f"no address is known for {place} ({_said(cause)}): it is misspelt, or this machine is offline"
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.ECONNREFUSED:
        return f"nothing answers at {place} (connection refused)"
    if number == errno.ETIMEDOUT or isinstance(cause, TimeoutError):
        return f"nothing answers at {place} (no connection in time)"
    if number in _NO_WAY:
        return f"there is no way from here to {place} ({_said(cause)})"
    return f"no connection to {place} ({_said(cause)})"


def broke_off(cause: BaseException) -> str:
    """Why an answer did not come to its end; without user and password of an address."""
    return _said(cause)


def _certificate(cause: ssl.SSLCertVerificationError, place: str) -> str:
    said = cause.verify_message.rstrip(".") or _said(cause)
    if cause.verify_code in _OTHER_NAME:
        return f"the certificate at {place} is another host's ({said})"
    if cause.verify_code in _NOT_NOW:
        return f"the certificate at {place} is not valid today ({said})"
    return f"the certificate at {place} is not trusted ({said}): --ca-bundle FILE names who is"


def _no_tls(cause: ssl.SSLError, place: str) -> str:
    if (getattr(cause, "reason", "") or "").upper().replace(" ", "_") in _NO_TLS:
        return f"what answers at {place} does not speak https: its address may have to begin with http://"
    return f"no TLS connection to {place} ({_said(cause)})"


def _said(cause: BaseException) -> str:
    """The system's words, without the number."""
    reason = getattr(cause, "reason", "") if isinstance(cause, ssl.SSLError) else ""
    if reason:
        return str(reason).replace("_", " ").lower()
    text = without_user((cause.strerror if isinstance(cause, OSError) else "") or str(cause))
    if not text:
        return type(cause).__name__
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
