"""An endpoint's address as a request has it. Pure."""

import base64
from urllib.parse import unquote, urlsplit, urlunsplit


def joined(base_url: str, path: str) -> str:
    """The path below the base URL; a query of the base URL (some gateways' API version) stays behind it."""
    base, mark, query = base_url.partition("?")
    return base.rstrip("/") + path + mark + query


def split_user(base_url: str) -> tuple[str, str]:
    """The URL without `user:password@`, and the header that replaces it; empty: there is none."""
    parts = urlsplit(base_url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return base_url, ""
    name, _, password = user.partition(":")
    header = "Basic " + base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), header
