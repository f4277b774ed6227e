"""The proxy of the environment, through which an endpoint is reached: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY."""

import ipaddress
import os
import re
import urllib.request
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from agentbatch.errors import UserError

PORTS: Mapping[str, int] = {"http": 80, "https": 443}


def is_loopback(base_url: str) -> bool:
    """Whether the URL is this machine's own."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxy_of(url: str) -> str | None:
    """The environment's proxy for this URL. A proxy cannot reach this machine's own servers. Raises UserError for one
    that is no HTTP proxy, such as `socks5://...`."""
    parts = urlsplit(url)
    proxies = urllib.request.getproxies()
    if is_loopback(url) or is_excepted(parts, proxies.get("no", "")):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    address = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_http(address):
        shown = address.partition("://")[0] + "://" + address.partition("://")[2].rpartition("@")[2]
        host = parts.netloc.rpartition("@")[2]
        raise UserError(
            f"{naming_variable(url)} names {shown} as the proxy for {host}, and model calls go through HTTP proxies "
            f"alone: set {parts.scheme.upper()}_PROXY to one (http://proxy:3128), or NO_PROXY={parts.hostname} to go "
            "without."
        )
    return address


def naming_variable(url: str) -> str:
    """The variable that the proxy for this URL comes from, as it is written."""
    scheme = urlsplit(url).scheme
    lower = f"{scheme if urllib.request.getproxies().get(scheme) else 'all'}_proxy"
    return lower if os.environ.get(lower) else lower.upper()


def is_excepted(parts: SplitResult, no_proxy: str) -> bool:
    """Whether NO_PROXY has this address. Entries are parted by commas or spaces: `*`; a host, which its subdomains
    belong to (`example.com`, `.example.com`, `*.example.com`); an address or a network (`10.0.0.0/8`, as curl and
    requests have it); each with a port, and with a scheme before it as in httpx (`all://`, `https://`)."""
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or PORTS.get(parts.scheme, 0)
    return any(_matches(entry, parts.scheme, host, port) for entry in re.split(r"[,\s]+", no_proxy.lower()))


def _matches(entry: str, scheme: str, host: str, port: int) -> bool:
    of_scheme, slashes, rest = entry.rpartition("://")
    if slashes and of_scheme not in (scheme, "all"):
        return False
    if rest == "*":
        return True
    found = re.fullmatch(r"(\[[^\]]+\]|[^:]+):(\d+)", rest)
    if found:
        rest = found[1]
        if int(found[2]) != port:
            return False
    pattern = rest.strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        domain = re.sub(r"^(\*\.?|\.)", "", pattern).rstrip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return address in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        return False


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
