"""Why an answer ended, in OpenAI's words: providers have a word of their own for nearly each of them. Pure."""

from collections.abc import Mapping

GAVE_UP = frozenset({"error", "abort", "insufficient_system_resource", "network_error"})
"""Of incomplete answers: `error` (OpenRouter, vLLM, Mistral), `abort` (vLLM, SGLang), DeepSeek's, Zhipu's."""

CUT_OFF = (
    "max_tokens",  # Anthropic and Bedrock through gateways, Gemini's MAX_TOKENS (bespokelabsai/curator #261)
    "max_output_tokens",
    "model_length",  # Mistral: the window is full (laravel/ai #955)
    "model_context_window_exceeded",  # Zhipu, Anthropic (opencode #18813)
)

FILTERED = (
    "content_filtered",  # Bedrock
    "guardrail_intervened",
    "refusal",  # Anthropic
    "sensitive",  # Zhipu
    "safety",  # Gemini's own words, which its OpenAI path passes on (Vibe-Trading #308)
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "image_safety",
    "language",
)

CALLS = ("tool_use", "tool_call", "function_call", "tool-calls")

STOPPED = (
    "end_turn",  # Anthropic
    "stop_sequence",  # Anthropic, TGI
    "eos",  # Together
    "eos_token",  # TGI
    "complete",  # Cohere
    "completed",
    "finish_reason_stop",
)

_WORDS: Mapping[str, str] = {
    **dict.fromkeys(CUT_OFF, "length"),
    **dict.fromkeys(FILTERED, "content_filter"),
    **dict.fromkeys(CALLS, "tool_calls"),
    **dict.fromkeys(STOPPED, "stop"),
}

MAX_LENGTH = 64
"""Characters of a word that nobody knows."""


def finish_reason(raw: object) -> str:
    """In OpenAI's words where it is known, else as it came; empty where there is none. Gemini writes
    `content_filter: PROHIBITED_CONTENT`."""
    if not isinstance(raw, str):
        return ""
    word = raw.strip().lower()
    known = word.partition(":")[0].strip()
    return _WORDS.get(
        known, known if known in ("stop", "length", "tool_calls", "content_filter") else raw[:MAX_LENGTH]
    )
