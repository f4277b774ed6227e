"""What the provider's prompt cache served, and whether it could serve more, as text. Pure."""

from agentbatch.text import tokens
from agentbatch.usage import Usage

ENOUGH_CALLS = 20
"""Calls from which figures say something."""

LONG_INPUT = 2_000
"""Tokens of input a call. Providers cache from 1,024 tokens on (some from 4,096), and shorter prompts cost little."""


def cache_words(usage: Usage) -> str:
    """The share of the input that the cache served; empty where it had no part in it."""
    if not usage.input or not (usage.cached or usage.written):
        return ""
    written = f", {tokens(usage.written)} tokens were written into it" if usage.written else ""
    return f"{usage.cached / usage.input:.0%} of the input came from the prompt cache{written}"


def cache_advice(usage: Usage) -> str:
    """A sentence about `--prompt-cache`, where the other way would cost less. `usage`: of a coder, whose conversations
    grow and ought to be cached."""
    if (
        usage.estimated
        or usage.untold
        or usage.calls < ENOUGH_CALLS
        or usage.input < LONG_INPUT * usage.calls
    ):
        return ""
    if usage.written > usage.cached:
        return (
            "More was written into the prompt cache than it served: --prompt-cache off costs less, or 1h where calls "
            "are minutes apart."
        )
    if not usage.cached:
        return (
            "Nothing came from a prompt cache: if this endpoint has one that wants to be asked, --prompt-cache on does "
            "(docs/providers.md)."
        )
    return ""
