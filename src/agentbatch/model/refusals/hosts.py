"""What hosts are known to refuse, before they do: a first request that is not in vain."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from agentbatch.model.capabilities import Capabilities
from agentbatch.model.refusals.apis import preferred


class Host(NamedTuple):
    suffixes: tuple[str, ...]
    """Of the host's name."""
    known: dict[str, Any]
    """Fields of Capabilities."""
    source: str


NEWER_LIMIT = ("max_completion_tokens", "max_tokens")
HOSTS = (
    Host(
        ("api.openai.com",),
        {"output_limits": NEWER_LIMIT, "cache_key": True},
        "as below; keys of caches: developers.openai.com/api/docs/guides/prompt-caching",
    ),
    Host(
        ("openai.com", "openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
        {"output_limits": NEWER_LIMIT},
        "OpenAI's reasoning models refuse max_tokens: promptfoo #6153. Elsewhere the older name is safer: some servers "
        "silently ignore the new one",
    ),
    Host(
        ("mistral.ai",),
        {"history_rules": frozenset({"alternate"}), "refused_fields": frozenset({"reasoning_content"})},
        "no user after a tool: mistral-common #169, zed #37021; no reasoning_content: charmbracelet/crush #1590",
    ),
    Host(
        ("generativelanguage.googleapis.com", "aiplatform.googleapis.com"),
        {"history_rules": frozenset({"named"}), "tool_limits": False},
        "a tool's result without its name is no more than 'Request contains an invalid argument' (NousResearch/"
        "hermes-agent #19728); of words in schemas it knows a few (openswarm #24, pollinations #6307)",
    ),
)


def initial_capabilities(base_url: str, model: str = "") -> Capabilities:
    """What to try first."""
    name, apis = urlsplit(base_url).hostname or "", preferred(base_url, model)
    for host in HOSTS:
        if name.endswith(host.suffixes):
            return Capabilities(apis=apis, **host.known)
    return Capabilities(apis=apis)
