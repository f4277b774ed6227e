"""Names of models that genai-prices does not know, or knows as another model, and where their price is. Pure.

Every entry has its source. A name may have meant several models one after another: the date of the call decides.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from agentbatch.patterns import regex

MARKET = "openrouter"
"""Where a comparison finds the open models that no provider of their own is known for."""


class Alias(NamedTuple):
    """What a name means."""

    provider: str
    """Its id in genai-prices."""
    model: str
    """Its id there."""
    source: str
    since: datetime = datetime.min.replace(tzinfo=UTC)


def _day(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


_OPEN_QWEN = Alias(
    MARKET, "qwen/qwen3-coder", "openrouter.ai/qwen/qwen3-coder: Qwen3 Coder 480B A35B; Qwen's own price is not listed"
)  # fmt: skip
_V3, _V4 = "api-docs.deepseek.com/news/news250929", "api-docs.deepseek.com/updates: an alias of V4 Flash"
_LARGE = "github.com/mistralai/platform-docs-public: mistral-large-3-25-12.ts, apiNames"
_CODESTRAL = "github.com/mistralai/platform-docs-public: codestral-25-08.ts, apiNames"
_CLAUDE_3 = "docs.anthropic.com: Claude 3 model names"

ALIASES: Mapping[str, tuple[Alias, ...]] = {
    "qwen3-coder": (_OPEN_QWEN,),
    "qwen3-coder-480b-a35b-instruct": (_OPEN_QWEN,),
    "qwen/qwen3-coder-480b-a35b-instruct": (_OPEN_QWEN,),
    "qwen3-coder-480b-a35b-instruct-fp8": (_OPEN_QWEN,),  # Together's
    "qwen-3-coder-480b": (_OPEN_QWEN,),  # Cerebras, whose price is not listed
    "claude-3-opus": (Alias("anthropic", "claude-3-opus-latest", _CLAUDE_3),),
    "claude-3-sonnet": (Alias("anthropic", "claude-3-sonnet", _CLAUDE_3),),
    "deepseek-chat": (
        Alias("deepseek", "deepseek-chat", "genai-prices"),
        Alias("deepseek", "deepseek-v3.2-exp", _V3, _day(2025, 9, 29)),
        Alias("deepseek", "deepseek-v4-flash", _V4, _day(2026, 4, 24)),
    ),
    "deepseek-reasoner": (
        Alias("deepseek", "deepseek-reasoner", "genai-prices"),
        Alias("deepseek", "deepseek-v3.2-exp", _V3, _day(2025, 9, 29)),
        Alias("deepseek", "deepseek-v4-flash", _V4, _day(2026, 4, 24)),
    ),
    "mistral-large-latest": (
        Alias("mistral", "mistral-large", "genai-prices"),
        Alias("mistral", "mistral-large-2512", _LARGE, _day(2025, 12, 2)),
    ),
    "codestral-latest": (
        Alias("mistral", "codestral-2501", "genai-prices"),
        Alias("mistral", "codestral-2508", _CODESTRAL, _day(2025, 7, 30)),
    ),
}

PREFIXES: Mapping[str, str] = {
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "azure_ai": "azure",
    "xai": "x-ai",
    "dashscope": MARKET,
    "deepinfra": MARKET,
}
"""LiteLLM's names of providers (docs.litellm.ai/docs/providers) and genai-prices' where they differ. The last two have
no prices there: the market's stand in where nobody is billed by them."""

ASKED = (
    *("openai", "mistral", "cohere", "voyageai"),
    *("groq", "cerebras", "moonshotai", "zai", "minimax", "together", "fireworks"),
)
"""Providers in the order in which they are asked for a name that says nothing of where it runs."""

FOLDERS = regex(r"^(accounts/[^/]+/models|models|converse|invoke)/")
"""What stands before the name of a model at Fireworks, at Google and, for Bedrock, in LiteLLM."""


class TunedPrice(NamedTuple):
    """US dollars per million tokens of a fine-tuned model."""

    input: float
    output: float
    cached: float


FINE_TUNED: Mapping[str, TunedPrice] = {
    "gpt-4.1-nano": TunedPrice(0.20, 0.80, 0.05),
    "gpt-4.1-mini": TunedPrice(0.80, 3.20, 0.20),
    "gpt-4.1": TunedPrice(3.00, 12.00, 0.75),
}
"""What using them costs by the base model (platform.openai.com/docs/pricing, fine-tuning); genai-prices has the
older ones. The longest name that fits counts."""


def alias_of(name: str, at: datetime) -> Alias | None:
    """What the name, in lower case, meant at that time; None: it is no alias."""
    entries = ALIASES.get(name, ())
    return next((entry for entry in reversed(entries) if entry.since <= at), None)


def fine_tuned(name: str) -> TunedPrice | None:
    """The price of `ft:gpt-4.1-mini-2025-04-14:org::id`; None for all other names, and for a base that is not known."""
    kind, _, rest = name.partition(":")
    if kind != "ft":
        return None
    base = rest.partition(":")[0]
    return next(
        (
            FINE_TUNED[known]
            for known in sorted(FINE_TUNED, key=len, reverse=True)
            if base == known or base.startswith(f"{known}-")
        ),
        None,
    )


def spellings(name: str) -> tuple[str, ...]:
    """The name as others write it: without a folder before it; `claude-sonnet-4-5` as OpenRouter's 4.5; without
    a way of routing (openrouter.ai/docs/features/provider-routing)."""
    plain = FOLDERS.sub("", name)
    routed = re.sub(r":(nitro|floor|exacto|online)$", "", plain)
    dotted = re.sub(r"(?<=\b\d)-(?=\d\b)", ".", routed)
    return tuple(dict.fromkeys((name, plain, routed, dotted)))
