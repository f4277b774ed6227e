"""The proxy of the environment, through which an endpoint is reached."""

import ipaddress
import urllib.request
from urllib.parse import urlsplit

from agentbatch.errors import UserError


def is_loopback(base_url: str) -> bool:
    """Whether the URL is this machine's own."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def proxy_of(url: str) -> str | None:
    """The environment's proxy for this URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY. A proxy cannot reach this
    machine's own servers. Raises UserError for one that is no HTTP proxy, such as `socks5://...`."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if is_loopback(url) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    address = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_http(address):
        shown = address.partition("://")[0] + "://" + address.partition("://")[2].rpartition("@")[2]
        raise UserError(
            f"The proxy that the environment names for {host} is {shown}, and model calls go through HTTP proxies "
            f"alone: set {parts.scheme.upper()}_PROXY to one (http://proxy:3128), or NO_PROXY={parts.hostname} to go "
            "without."
        )
    return address


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
