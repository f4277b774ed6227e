"""HTTP headers that the user adds to every request: read from settings, checked, and which of them are secret. Pure."""

from collections.abc import Iterable

from agentbatch.patterns import regex

Header = tuple[str, str]
"""Name and value."""

OWN = frozenset(
    {
        *("host", "connection", "content-length", "content-type", "transfer-encoding", "accept-encoding"),
        *("te", "trailer", "upgrade", "expect", "proxy-authorization", "proxy-connection"),
    }
)
"""What the connection itself depends on; a proxy's password belongs into the proxy's address."""

PUBLIC = frozenset(
    {
        *(
            "accept",
            "accept-language",
            "user-agent",
            "referer",
            "http-referer",
            "x-title",
            "x-openrouter-title",
        ),
        *("openai-organization", "openai-project", "openai-beta", "anthropic-version", "anthropic-beta"),
        *("helicone-cache-enabled", "x-portkey-provider", "x-litellm-tags"),
    }
)
"""Names whose values are nobody's key. Every other value is treated as one."""

KEYS = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key"})
"""Headers that stand for the key: with one of them none is needed, and none is sent beside it."""

MAX_VALUE = 8_000
"""Characters. Servers refuse requests with 8 to 16 KB of headers."""

_NAME = regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NEXT = regex(r"[,\n]\s*(?=[A-Za-z0-9!#$%&'*+.^_`|~-]+[=:])")


def split_headers(text: str) -> list[str]:
    """The headers of one variable: `NAME=VALUE`, parted by commas or line ends (as in OTEL_EXPORTER_OTLP_HEADERS). A
    comma inside a value is one that no `NAME=` follows."""
    return [part.strip() for part in _NEXT.split(text) if part.strip()]


def read_header(text: str) -> Header:
    """`NAME=VALUE`, or `NAME: VALUE` as curl has it. Raises ValueError, without the value."""
    found = _NAME.match(text.strip())
    name = found[0] if found else ""
    rest = text.strip()[len(name) :].lstrip()
    if not name or rest[:1] not in ("=", ":"):
        raise ValueError("a header is NAME=VALUE, like api-key=...")
    value = rest[1:].strip()
    if name.lower() in OWN:
        raise ValueError(f"the header {name} is made by the connection itself")
    if not value:
        raise ValueError(f"the header {name} has no value")
    if len(value) > MAX_VALUE or not value.isascii() or not value.isprintable():
        raise ValueError(f"the value of the header {name} has to be one line of plain ASCII characters")
    return name, value


def merged(groups: Iterable[Iterable[Header]]) -> tuple[Header, ...]:
    """All of them; of two with one name (in whatever letters) the later one."""
    found = {name.lower(): (name, value) for group in groups for name, value in group}
    return tuple(found.values())


def has_key(headers: Iterable[Header]) -> bool:
    """Whether one of them stands for the key."""
    return any(name.lower() in KEYS for name, _ in headers)


def secret_values(headers: Iterable[Header]) -> list[str]:
    """What of them is to be redacted: values, and what follows the scheme of `Bearer ...`."""
    values = [value for name, value in headers if name.lower() not in PUBLIC]
    return list(dict.fromkeys(part for value in values for part in (value, value.rpartition(" ")[2])))
