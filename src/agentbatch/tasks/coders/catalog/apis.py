"""What endpoints of well-known hosts do not speak: a coder is refused before a run, not in its first call."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from agentbatch.tasks.coders.catalog.entry import WireApi

PATHS: Mapping[WireApi, str] = MappingProxyType(
    {"chat": "chat/completions", "responses": "responses", "messages": "messages"}
)
"""Behind an endpoint's address."""

# From the providers' own references, 2026-11: one says there what it speaks, and of more nothing is said.
# OpenAI: developers.openai.com/api/docs/guides/migrate-to-responses
# Anthropic: platform.claude.com/docs/en/api/overview, .../docs/en/cli-sdks-libraries/libraries/openai-sdk
# Google: ai.google.dev/gemini-api/docs/openai, ai.google.dev/api/compatibility
# Mistral: docs.mistral.ai/inference/conversations, docs.mistral.ai/api/endpoint/responses (a public preview)
# DeepSeek: api-docs.deepseek.com/guides/responses_api, api-docs.deepseek.com/guides/anthropic_api
SPOKEN: Mapping[str, tuple[tuple[str, tuple[WireApi, ...]], ...]] = MappingProxyType(
    {
        "api.openai.com": (("", ("chat", "responses")),),
        "api.anthropic.com": (("", ("chat", "messages")),),
        "generativelanguage.googleapis.com": (("", ("chat",)),),
        "api.mistral.ai": (("", ("chat", "responses")),),
        "api.deepseek.com": (("/anthropic", ("messages",)), ("", ("chat", "responses"))),
    }
)
"""By host, and by what its path begins with, the first that fits; of all other hosts nothing is known before they are
asked."""


def lacks(base_url: str, api: WireApi) -> bool:
    """The endpoint is known not to speak it. Pure."""
    url = urlsplit(base_url)
    at = [apis for path, apis in SPOKEN.get(url.hostname or "", ()) if url.path.startswith(path)]
    return bool(at) and api not in at[0]


def elsewhere(base_url: str, api: WireApi) -> str:
    """The address at which the same host speaks it; empty: none is known. Pure."""
    url = urlsplit(base_url)
    found = (path for path, apis in SPOKEN.get(url.hostname or "", ()) if api in apis)
    return next((f"{url.scheme}://{url.netloc}{path}/v1" for path in found), "")
