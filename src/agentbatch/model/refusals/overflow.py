"""Recognises that a request was longer than the model's context window: there are a few codes and many
wordings."""

import re

from agentbatch.model.server_error import ServerError

CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "request_too_large", "string_above_max_length"}
)
"""OpenAI's (also Groq's, xAI's), llama.cpp's and Anthropic's."""

STATUSES = frozenset({200, 400, 413, 422, 429, 500})
"""200: the error came inside a 200; 500: llama.cpp's answer when its slots overflow."""

_WORDINGS = re.compile(
    r"maximum context length"  # OpenAI, vLLM, DeepSeek, Mistral, Ollama
    r"|context[ _](length|size|window)[^.]{0,40}exceed"  # llama.cpp, Ollama, MiniMax
    r"|exceed[a-z]*[^.]{0,60}context[ _](length|size|window|limit)"  # llama.cpp, Anthropic, OpenAI
    r"|longer than the (maximum )?(model|context) length"  # vLLM, Ollama
    r"|max_tokens must be at least 1, got -"  # vLLM: nothing is left for the answer
    r"|prompt (is|was) too long|prompt exceeds max|prompt too long"  # Anthropic, Z.ai, Ollama
    r"|input is too long|input length should be|range of input length"  # Bedrock, DashScope
    r"|exceeds the maximum number of (input )?tokens|input token count[^.]{0,60}exceed"  # Google, xAI
    r"|maximum (prompt|input) length"  # xAI
    r"|exceeded model token limit|token count[^.]{0,60}exceeds the limit"  # Moonshot, Copilot
    r"|request too large for"  # OpenAI, Groq: one request above the tokens a minute: waiting does not help
    r"|reduce the length of the (messages|prompt|input)"  # OpenAI, Groq, vLLM
    r"|context length of only|context the overflows"  # LM Studio
)


def is_overflow(error: ServerError) -> bool:
    """True when a shorter request would be accepted."""
    if error.status not in STATUSES:
        return False
    has_code = error.code in CODES or error.type in CODES
    return error.status == 413 or has_code or _WORDINGS.search(error.words) is not None
