"""Token counts as endpoints report them, in our convention: `input` includes cached and written, `output` reasoning.

One table a kind of token: the same count has another name at nearly every provider. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agentbatch.usage import Usage

MAX_TOKENS = 10_000_000_000
"""A count above this is nonsense and is ignored."""

Path = tuple[str, ...]

DETAILS = ("prompt_tokens_details", "prompt_token_details", "input_tokens_details")
"""What input consists of: OpenAI's name, Mistral's second one, that of /v1/responses."""

OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")

MAX_NAMES = 100
"""Of counts beside one another. Some twenty are known; a stream that has others in every chunk would have ever more of
them copied."""

PROMPT, COMPLETION = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")
"""Names of the counts themselves: chat's, and those of /v1/responses. One that has tokens counts: new-api gives both,
and the second ones as 0 (QuantumNous/new-api, dto/openai_response.go)."""


def _inside(parents: tuple[str, ...], *path: str) -> tuple[Path, ...]:
    return tuple((parent, *path) for parent in parents)


CACHED: tuple[Path, ...] = (
    *_inside(DETAILS, "cached_tokens"),
    ("prompt_cache_hit_tokens",),  # DeepSeek (api-docs.deepseek.com/guides/kv_cache)
    ("cached_tokens",),  # Moonshot
    ("num_cached_tokens",),  # Mistral
    ("cached_prompt_text_tokens",),  # xAI
    ("cached_content_token_count",),  # Gemini's own name, which gateways pass on
    ("cachedContentTokenCount",),
)

WRITTEN: tuple[Path, ...] = (
    *_inside(DETAILS, "cache_write_tokens"),  # OpenAI, OpenRouter
    *_inside(DETAILS, "cache_creation_tokens"),  # LiteLLM
    *_inside(DETAILS, "cache_creation_input_tokens"),  # DashScope
    ("cache_write_tokens",),
)

WRITTEN_SHORT: tuple[Path, ...] = (
    ("cache_creation", "ephemeral_5m_input_tokens"),  # Anthropic
    *_inside(DETAILS, "cache_creation", "ephemeral_5m_input_tokens"),  # DashScope
    *_inside(DETAILS, "cache_creation_token_details", "ephemeral_5m_input_tokens"),  # LiteLLM
)

WRITTEN_HOUR: tuple[Path, ...] = (
    ("cache_creation", "ephemeral_1h_input_tokens"),
    *_inside(DETAILS, "cache_creation", "ephemeral_1h_input_tokens"),
    *_inside(DETAILS, "cache_creation_token_details", "ephemeral_1h_input_tokens"),
)

READ_BESIDE: tuple[Path, ...] = (("cache_read_input_tokens",), ("cacheReadInputTokens",))
WRITTEN_BESIDE: tuple[Path, ...] = (("cache_creation_input_tokens",), ("cacheWriteInputTokens",))
"""Anthropic's and Bedrock's names, which gateways pass on. There these stand beside the input and are no part of it:
LiteLLM adds them up (docs.litellm.ai/docs/completion/prompt_caching), others do not (litellm #15056)."""

REASONING: tuple[Path, ...] = (
    *_inside(OUTPUT_DETAILS, "reasoning_tokens"),
    *_inside(OUTPUT_DETAILS, "thinking_tokens"),  # Anthropic
    ("reasoning_tokens",),  # Databricks, Modal
    ("thoughts_token_count",),  # Gemini
    ("thoughtsTokenCount",),
)

AUDIO_INPUT = _inside(DETAILS, "audio_tokens")
AUDIO_OUTPUT = _inside(OUTPUT_DETAILS, "audio_tokens")


def read_usage(usage: Any) -> Usage | None:
    """The usage of one call; None where there is none that makes sense."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = _named(usage, PROMPT), _named(usage, COMPLETION)
    total = _count(usage.get("total_tokens")) or 0
    if completion is None and total:
        completion = 0  # the rest of the total
    if prompt is None or completion is None or prompt + completion == 0:
        return None
    counts = dict(_counts(usage))
    cached = _first(counts, CACHED) or _first(counts, READ_BESIDE)
    hour = _first(counts, WRITTEN_HOUR)
    written = max(
        _first(counts, WRITTEN) or _first(counts, WRITTEN_BESIDE), hour + _first(counts, WRITTEN_SHORT)
    )
    prompt += _beside(counts, prompt, completion, total)
    # xAI and Google leave reasoning out of completion_tokens, but not out of the total.
    completion = max(completion, total - prompt)
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    return Usage.model_construct(
        input=prompt,
        cached=cached,
        written=written,
        written_hour=min(hour, written),
        audio_input=min(_first(counts, AUDIO_INPUT), prompt - cached - written),
        output=completion,
        reasoning=min(_first(counts, REASONING), completion),
        audio_output=min(_first(counts, AUDIO_OUTPUT), completion),
        calls=1,
        estimated=False,
    )


def usage_of(counts: Any) -> Usage | None:
    """Counts of any of OpenAI's APIs: chat's names, those of /v1/responses, those of embeddings."""
    if not isinstance(counts, dict):
        return None
    return read_usage({"completion_tokens": 0, **counts})


def usage_of_messages(counts: Any) -> Usage | None:
    """Anthropic's: what the cache served and what was written into it stands beside the input, always."""
    if not isinstance(counts, dict):
        return None
    beside = (counts.get(path[0]) for path in (READ_BESIDE[0], WRITTEN_BESIDE[0]))
    plain, output = _count(counts.get("input_tokens")), _count(counts.get("output_tokens"))
    if plain is None or output is None:
        return None
    total = plain + sum(_count(part) or 0 for part in beside)
    return read_usage(
        {**counts, "prompt_tokens": total, "completion_tokens": output, "total_tokens": total + output}
    )


def merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of a stream so far: they only grow, and what a later event leaves out or has as 0 stays."""
    both = dict(before)
    for name, value in after.items():
        known = both.get(name)
        if isinstance(value, Mapping) and isinstance(known, Mapping):
            both[name] = merged(known, value)
        elif _is_number(value) and _is_number(known):
            both[name] = max(known, value)
        elif value is not None and (name in both or len(both) < MAX_NAMES):
            both[name] = value
    return both


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _named(usage: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """The most tokens that stand under one of the names; None: under none."""
    known = [count for name in names if (count := _count(usage.get(name))) is not None]
    return max(known, default=None)


def _beside(counts: Mapping[Path, int], prompt: int, completion: int, total: int) -> int:
    """Input tokens that the count of input leaves out: the cache's, where they do not fit into it, or the total says
    so."""
    read, written = _first(counts, READ_BESIDE), _first(counts, WRITTEN_BESIDE)
    outside = read + written
    if outside > prompt or (outside and total == prompt + completion + outside):
        return outside
    return 0


DEEPEST = 3
"""Names in the longest path."""


def _counts(fields: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, int]]:
    """Every place in it that has tokens."""
    for name, value in fields.items():
        if isinstance(value, dict):
            if len(above) + 1 < DEEPEST:
                yield from _counts(value, (*above, name))
        elif count := _count(value):
            yield (*above, name), count


def _first(counts: Mapping[Path, int], paths: tuple[Path, ...]) -> int:
    """The first of the places that has tokens; 0: none has."""
    for path in paths:
        if path in counts:
            return counts[path]
    return 0


def _count(value: Any) -> int | None:
    if not _is_number(value):
        return None
    # Compared before anything else: no float holds a number of 400 digits.
    return int(value) if 0 <= value <= MAX_TOKENS else None
