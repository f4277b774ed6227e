"""What endpoints of well-known hosts do not speak: a coder is refused before a run, not in its first call."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from agentbatch.tasks.coders.catalog.entry import WireApi

PATHS: Mapping[WireApi, str] = MappingProxyType(
    {"chat": "chat/completions", "responses": "responses", "messages": "messages"}
)
"""Behind an endpoint's address."""

SPOKEN: Mapping[str, tuple[WireApi, ...]] = MappingProxyType(
    {
        "api.openai.com": ("chat", "responses"),
        "api.anthropic.com": ("chat", "messages"),
        "generativelanguage.googleapis.com": ("chat",),
        "api.mistral.ai": ("chat",),
        "api.deepseek.com": ("chat",),
    }
)
"""By host, from the providers' references; of all others nothing is known before they are asked."""


def lacks(base_url: str, api: WireApi) -> bool:
    """The endpoint is known not to speak it. Pure."""
    return api not in SPOKEN.get(urlsplit(base_url).hostname or "", (api,))
